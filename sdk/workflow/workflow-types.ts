// Temporal's names for the types of workflow functions and message handlers, and of the options and handles that clients and
// workflow code share. Types only.
import type { SignalDefinition } from '../../runtime/activator/messages/message-definition.ts';
import type { StartTimingOptions } from '../../runtime/core/run/start-timing.ts';
import type { Workflow, WorkflowResultType } from '../client/execution-info.ts';
import type { CommonStartOptions, StartArguments } from '../client/new-run.ts';

export type WorkflowReturnType = Promise<unknown>;
export type WorkflowSignalType = (...args: never[]) => Promise<void> | void;
export type WorkflowQueryType = (...args: never[]) => unknown;
export type WorkflowUpdateType = (...args: never[]) => unknown;
export type WorkflowUpdateValidatorType = (...args: never[]) => void;

/** The members that handles of clients and of workflow code share. */
export interface BaseWorkflowHandle<W extends Workflow> {
  readonly workflowId: string;
  result(): Promise<WorkflowResultType<W>>;
  signal<Args extends unknown[]>(signal: SignalDefinition<Args> | string, ...args: Args): Promise<void>;
}

/** A workflow id, optionally with one of its runs. */
export interface WorkflowExecution {
  workflowId: string;
  runId?: string;
}

export type WorkflowDurationOptions = Pick<
  StartTimingOptions,
  'workflowRunTimeout' | 'workflowExecutionTimeout' | 'workflowTaskTimeout'
>;

export type BaseWorkflowOptions = Pick<
  CommonStartOptions,
  | 'workflowIdReusePolicy'
  | 'workflowIdConflictPolicy'
  | 'retry'
  | 'cronSchedule'
  | 'memo'
  | 'searchAttributes'
  | 'typedSearchAttributes'
  | 'staticDetails'
  | 'staticSummary'
>;

export type CommonWorkflowOptions = BaseWorkflowOptions & WorkflowDurationOptions;

/** `T` with the arguments of the workflow. */
export type WithWorkflowArgs<W extends Workflow, T> = T & StartArguments<W>;
