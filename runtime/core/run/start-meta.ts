// The meta of WorkflowStarted: its content, how each kind of start builds it, and how it is read. Pure: the caller
// passes the seed.
import type { RetryMeta, RunLink, ScheduledMeta } from '../log/activation.ts';
import { engineNumber } from '../log/engine-number.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';
import type { InitialVersioningBehavior, StartedVersioning } from './deployment.ts';
import type { PropertiesMeta } from './run-properties.ts';

export interface StartedMeta extends PropertiesMeta, StartedVersioning {
  workflowId: string;
  taskQueue: string;
  namespace: string;
  /** Seed of Math.random and uuid4, 32 hex digits. */
  seed: string;
  /** Options of a standalone activity. */
  activity?: ScheduledMeta;
  /** Engine number that the run was started under. */
  engine: number;
  /** First run of the chain; absent when it is this run. */
  firstRunId?: string;
  continuedFrom?: string;
  /** The parent run, with the seq of its ChildWorkflowInitiated. */
  parent?: RunLink & { seq: number };
  /** The run at the top of the family; absent when it is this run. */
  root?: RunLink;
  /** When the first run of the chain started; absent in the first run. */
  chainStartedAt?: Micros;
  /** Attempt under the workflow's retry policy; absent: the first. */
  attempt?: number;
  /** Texts for display: one line, and details. */
  staticSummary?: string;
  staticDetails?: string;
  runTimeoutMs?: number;
  executionTimeoutMs?: number;
  /** End of the whole chain, µs since 1970. Set in all but the first run of a chain with an execution timeout. */
  executionDeadline?: Micros;
  /** Delay of the first task. A message ends it early. */
  startDelayMs?: number;
  /** Delay of the first task that messages do not end: back-off of a retry, or the wait for the cron schedule. */
  backoffMs?: number;
  taskTimeoutMs?: number;
  /** Retry policy of the workflow itself. */
  retry?: RetryMeta;
  cron?: string;
  /** Result payload of the last completed run of the chain, in hex. */
  lastResult?: string;
  /** Failure payload of the previous run, in hex. */
  lastFailure?: string;
}

/** `meta` of ChildWorkflowInitiated. Absent parts are the defaults. */
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
  /** Task queue, when it differs from the parent's. */
  taskQueue?: string;
  /** What happens to the child when the parent closes; absent = TERMINATE. */
  parentClose?: 'ABANDON' | 'REQUEST_CANCEL';
  reuse?: 'ALLOW_DUPLICATE_FAILED_ONLY' | 'REJECT_DUPLICATE';
}

/** `meta` of WorkflowContinuedAsNew: the parts of the new run's start that differ from the old run's start. */
export interface ContinuedMeta extends PropertiesMeta {
  taskQueue?: string;
  startDelayMs?: number;
  runTimeoutMs?: number;
  taskTimeoutMs?: number;
  initialVersioningBehavior?: InitialVersioningBehavior;
  /** Version of the carried context; absent = 1. It is a part of the new run's first patch, not of its start. */
  contextVersion?: number;
}

/** The parts of the next run's start that differ from this run's start. */
export type SuccessorMeta = Partial<StartedMeta>;

/** Parts of a run's start that the next run of its chain does not inherit. All others are inherited. */
export const notInherited: readonly (keyof StartedMeta)[] = [
  'startDelayMs',
  'backoffMs',
  'attempt',
  'lastFailure',
  'inheritedVersion',
];

type Place = Pick<StartedMeta, 'workflowId' | 'taskQueue' | 'namespace'>;

/** For a run or a standalone activity that a client starts. */
export function startMeta(
  { workflowId, taskQueue, namespace }: Place,
  seed: string,
  options: Omit<SuccessorMeta, keyof Place | 'seed' | 'engine'>,
): StartedMeta {
  return { workflowId, taskQueue, namespace, seed, engine: engineNumber, ...options };
}

/** For a child. `parent` also gives the default task queue, the namespace and the root. */
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

/** `event`: WorkflowStarted, the first event of a log. */
export function readStartMeta(event: Pick<HistoryEvent, 'meta'> | undefined): StartedMeta {
  return JSON.parse(event?.meta ?? '{}') as StartedMeta;
}
