// The meta of WorkflowStarted: what it may hold, how every kind of start makes it, and how it is read. Pure: the seed comes
// from the caller.
import type { RetryMeta, RunLink, ScheduledMeta } from '../log/activation.ts';
import { engineNumber } from '../log/engine-number.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';
import type { InitialVersioningBehavior, StartedVersioning } from './deployment.ts';
import type { PropertiesMeta } from './run-properties.ts';

/** `meta` of WorkflowStarted. */
export interface StartedMeta extends PropertiesMeta, StartedVersioning {
  workflowId: string;
  taskQueue: string;
  namespace: string;
  /** Seed of Math.random and uuid4, 32 hex digits. */
  seed: string;
  /** Of a standalone activity: its options. */
  activity?: ScheduledMeta;
  /** Behavior number of the engine that the run was started under. */
  engine: number;
  /** Of the chain that the run belongs to, when it is not the first. */
  firstRunId?: string;
  /** The run that continued as this one. */
  continuedFrom?: string;
  /** The run whose child this one is; `seq` of its ChildWorkflowInitiated. */
  parent?: RunLink & { seq: number };
  /** The run at the top of the family; absent when it is this one. */
  root?: RunLink;
  /** When the first run of the chain was started, if it is not this one. */
  chainStartedAt?: Micros;
  /** Of the workflow's retry policy; absent: the first. */
  attempt?: number;
  /** For people: a line, and more of it. */
  staticSummary?: string;
  staticDetails?: string;
  runTimeoutMs?: number;
  executionTimeoutMs?: number;
  /** When the whole chain is over, µs since 1970; in runs that are not the first of a chain with an execution timeout. */
  executionDeadline?: Micros;
  /** How long the first task waited, unless a message ended the wait. */
  startDelayMs?: number;
  /** How long the first task waited whatever came: for the next attempt, or the next time of the cron schedule. */
  backoffMs?: number;
  taskTimeoutMs?: number;
  /** Of the workflow itself. */
  retry?: RetryMeta;
  cron?: string;
  /** Payload that the last completed run of the chain returned, in hex. */
  lastResult?: string;
  /** Payload that the run before failed with, in hex. */
  lastFailure?: string;
}

/** `meta` of ChildWorkflowInitiated; what is absent is the default. */
export interface ChildMeta
  extends PropertiesMeta,
    Pick<
      StartedMeta,
      | 'retry'
      | 'cron'
      | 'backoffMs'
      | 'runTimeoutMs'
      | 'executionTimeoutMs'
      | 'taskTimeoutMs'
      | 'staticSummary'
      | 'staticDetails'
    > {
  /** When it is not the parent's. */
  taskQueue?: string;
  /** What happens to the child when the parent closes; absent = TERMINATE. */
  parentClose?: 'ABANDON' | 'REQUEST_CANCEL';
  reuse?: 'ALLOW_DUPLICATE_FAILED_ONLY' | 'REJECT_DUPLICATE';
}

/** `meta` of WorkflowContinuedAsNew: what the new run's start has in place of the old one's. */
export interface ContinuedMeta extends PropertiesMeta {
  taskQueue?: string;
  startDelayMs?: number;
  runTimeoutMs?: number;
  taskTimeoutMs?: number;
  initialVersioningBehavior?: InitialVersioningBehavior;
}

/** What the start of the next run of a chain has in place of this one's. */
export type SuccessorMeta = Partial<StartedMeta>;

/** What a run's start says that does not hold for the next run of its chain; all else is handed on. */
export const notHandedOn: readonly (keyof StartedMeta)[] = [
  'startDelayMs',
  'backoffMs',
  'attempt',
  'lastFailure',
  'inheritedVersion',
];

type Place = Pick<StartedMeta, 'workflowId' | 'taskQueue' | 'namespace'>;

/** Of a run, or a standalone activity, that a client starts. */
export function startMeta(
  { workflowId, taskQueue, namespace }: Place,
  seed: string,
  options: Omit<SuccessorMeta, keyof Place | 'seed' | 'engine'>,
): StartedMeta {
  return { workflowId, taskQueue, namespace, seed, engine: engineNumber, ...options };
}

/** Of a child; `parent` with its own place. */
export function childStartMeta(
  parent: Place & { readonly runId: string; readonly root: RunLink | undefined },
  { workflowId, seq, meta }: { readonly workflowId: string; readonly seq: number; readonly meta: ChildMeta },
  seed: string,
  inheritedVersion: StartedMeta['inheritedVersion'],
): StartedMeta {
  const { taskQueue = parent.taskQueue, parentClose: _policy, reuse: _reuse, ...options } = meta;
  const link = { workflowId: parent.workflowId, runId: parent.runId };
  return startMeta({ workflowId, taskQueue, namespace: parent.namespace }, seed, {
    ...options,
    ...(inheritedVersion === undefined ? {} : { inheritedVersion }),
    parent: { ...link, seq },
    root: parent.root ?? link,
  });
}

/** `event`: WorkflowStarted, the first of a log. */
export function readStartMeta(event: Pick<HistoryEvent, 'meta'> | undefined): StartedMeta {
  return JSON.parse(event?.meta ?? '{}') as StartedMeta;
}
