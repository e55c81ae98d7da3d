// Groups of event types that several rooms ask for.
import type { EventType } from './event.ts';

/** Events about children and about messages to other runs. */
export const linkTypes: readonly EventType[] = [
  'ChildWorkflowInitiated',
  'ChildWorkflowStarted',
  'ChildWorkflowStartFailed',
  'ChildWorkflowCompleted',
  'ChildWorkflowFailed',
  'ChildWorkflowCancelled',
  'ChildWorkflowTimedOut',
  'ChildWorkflowTerminated',
  'ExternalSignalInitiated',
  'ExternalSignalDelivered',
  'ExternalSignalFailed',
  'ExternalCancelInitiated',
  'ExternalCancelDelivered',
  'ExternalCancelFailed',
];

/** Event types that end an activity. */
export const closingTypes = ['ActivityCompleted', 'ActivityFailed', 'ActivityTimedOut', 'ActivityCancelled'] as const;
