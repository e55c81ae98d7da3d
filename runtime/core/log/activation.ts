// What the worker passes to workflow code, and what it gets back. An activation is pure: events in, new events out.
import type { LiveMark } from '../live-replay/replay-policy.ts';
import type { DeploymentMeta } from '../run/deployment.ts';
import type { EventType, NewEvent, HistoryEvent, Micros } from './event.ts';
import type { ErrorCode } from '../failure/runtime-error.ts';

export interface Activation {
  /** Time of the turn. Date.now() returns it (in ms) to workflow code. */
  readonly at: Micros;
  /** Inputs in the order of the log. Types that workflow code does not see are skipped. */
  readonly inputs: readonly HistoryEvent[];
  /** Seq of the first output of this turn. */
  readonly nextSeq: number;
  /** Outputs of this turn in the log, when it is replayed; undefined when the turn is new. */
  readonly recorded?: readonly HistoryEvent[];
  /** A second replay that explains a divergence: records where the code issued each command. */
  readonly explains?: boolean;
  /**
   * A replay that goes on behind a divergence: the result tells the outputs and the first difference, and is not a
   * failure. `to`: outputs behind this seq are not compared.
   */
  readonly reports?: boolean;
  readonly to?: number | undefined;
  /** For debugging: a `debugger` statement runs where the code issues this seq, or before it gets the input of this seq. */
  readonly breakAt?: number;
  /** Set when another build works on the run from this turn on. */
  readonly deployment?: DeploymentMeta | undefined;
}

/**
 * How replayed code diverged from its history.
 * `type`: the command is of a different kind. `name`: a different activity or marker.
 * `id`: the same activity with a different id. `answers`: the command answers a different event.
 * `order`, `removed`, `added`: a command was moved, removed or added. `patch`: the context patch differs.
 */
export type DivergenceKind = 'type' | 'name' | 'id' | 'answers' | 'order' | 'removed' | 'added' | 'patch';

/** The first difference between the recorded outputs of a turn and those of the code. */
export interface Divergence {
  /** Index among the turn's outputs, from 0. */
  readonly index: number;
  readonly kind: DivergenceKind;
  /** Undefined: the history holds no further output in this turn. */
  readonly recorded: HistoryEvent | undefined;
  /** Undefined: the code issued no further command in this turn. */
  readonly produced: NewEvent | undefined;
  /** Where the code issued the command, `order (src/workflows.ts:12:5)`. Only the sandbox knows it. */
  readonly place?: string | undefined;
}

/** Why a workflow task failed. The run stays open, and the task is retried with back-off until the code is fixed. */
export interface TaskFailure {
  /** WORKFLOW_ERROR for an error that user code threw. */
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack?: string;
  /** Set only when the activation ran with `explains`. */
  readonly divergence?: Divergence;
  /** The worker is configured to fail runs for this error. */
  readonly failsRun?: boolean;
}

export interface LogLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly attributes: Record<string, unknown>;
}

/** A rejected update. It leaves no event, so the seq of each later input is lower by one. */
export interface RejectedUpdate {
  readonly seq: number;
  readonly failure: Uint8Array;
}

/** Set only when the activation ran with `reports` and the code diverged. */
export interface TurnDifference {
  readonly divergence: Divergence;
  /** Where the code issued each output, if known: a stack in the sandbox, `order (src/workflows.ts:12:5)` on the host. */
  readonly places: readonly (string | undefined)[];
}

export type ActivationResult =
  | {
      readonly ok: true;
      readonly outputs: readonly NewEvent[];
      readonly logs: readonly LogLine[];
      readonly rejected?: readonly RejectedUpdate[];
      readonly difference?: TurnDifference;
    }
  | { readonly ok: false; readonly failure: TaskFailure; readonly logs: readonly LogLine[] };

/** A call of workflow code that the log has not answered yet. */
export interface PendingCall {
  readonly type: EventType;
  /** Seq of the event that records the call. */
  readonly seq: number;
  /** Activity type, workflow type of a child, name of a signal. */
  readonly name: string | null;
  /** Activity id, or workflow id of the other run. */
  readonly id: string | null;
  /** When a timer fires. */
  readonly due: Micros | null;
}

/** Answer to a query: an encoded value or an encoded failure (see payload.ts, failure.ts). */
export type QueryResult =
  | { readonly ok: true; readonly payload: Uint8Array }
  | { readonly ok: false; readonly failure: Uint8Array; readonly registered: boolean };

/** Options of an activity in `meta` of ActivityScheduled. Keys are short and absent when default. */
export interface ScheduledMeta {
  /** Activity id, unique among the run's open activities. */
  id: string;
  /** startToClose, scheduleToClose, scheduleToStart and heartbeat timeouts, ms. */
  stc?: number;
  s2c?: number;
  s2s?: number;
  hb?: number;
  /** Task queue, when it differs from the run's. */
  queue?: string;
  retry?: RetryMeta;
  /** TRY_CANCEL or ABANDON; absent = WAIT_CANCELLATION_COMPLETED. */
  cancel?: 'TRY_CANCEL' | 'ABANDON';
  effect?: 'none' | 'tx' | 'unsafe';
  /** Idempotency key, when a fork repeats a call of its origin under the key that it had there. */
  key?: string;
  /** Only the worker that owns the run executes it; it is never offered to another worker. */
  local?: true;
  /** An operator may skip the activity and supply its result. */
  skippable?: true;
  summary?: string;
  /** Never in the log: the owner of a replay fork gives it to calls that it enters. */
  replay?: LiveMark;
}

/** `meta` of ExternalSignalInitiated and ExternalCancelInitiated; null when neither is set. */
export interface ExternalMeta {
  /** The run to address; absent: the open run of the workflow id. */
  runId?: string;
  /** Seq of the addressed child's ChildWorkflowInitiated. */
  child?: number;
}

export interface RunLink {
  workflowId: string;
  runId: string;
}

/** Retry policy, durations in ms. Absent parts are the defaults: 1 s, ×2, at most 100 × initial, no limit. */
export interface RetryMeta {
  initial?: number;
  coefficient?: number;
  max?: number;
  attempts?: number;
  fatal?: string[];
}

/** `meta` of WorkflowFailed and WorkflowTimedOut when the run has a retry policy. */
export interface FailedMeta {
  /** IN_PROGRESS when another attempt follows. */
  retryState: string;
}

/** `meta` of ActivityFailed, ActivityTimedOut, ActivityCancelled. */
export interface ActivityClosedMeta {
  retryState?: string;
  identity?: string;
}

/** `meta` of VersionMarked; null when nothing in it is set. */
export interface VersionMeta {
  /** Set by `deprecatePatch`: code that no longer calls it may replay the run. */
  deprecated: boolean;
}

/** `meta` of TimerStarted: due time in µs since 1970, as in `at`. */
export interface TimerMeta {
  due: Micros;
  summary?: string;
}
