// What the worker hands to workflow code, and what it gets back. Activating is pure: events in, new events out.
import type { DeploymentMeta } from '../run/deployment.ts';
import type { NewEvent, HistoryEvent, Micros } from './event.ts';
import type { ErrorCode } from '../failure/runtime-error.ts';

export interface Activation {
  /** Time of this turn: what Date.now() shows (in ms) to workflow code. */
  readonly at: Micros;
  /** What happened, in the order of the log. Types without meaning for workflow code are passed over. */
  readonly inputs: readonly HistoryEvent[];
  /** seq of the first output of this turn. */
  readonly nextSeq: number;
  /** Outputs that the log holds for this turn, when it is replayed; undefined when it happens for the first time. */
  readonly recorded?: readonly HistoryEvent[];
  /** Replayed once more to find out why the code left its history: notes where each command was asked for. */
  readonly explains?: boolean;
  /** Given when another build than before works on the run from this turn on. */
  readonly deployment?: DeploymentMeta;
}

/**
 * How replayed code left its history. type: another kind of command. name: another activity, marker. id: the same activity
 * under another id. answers: meant for another event. order, removed, added: of commands. patch: of the context.
 */
export type DivergenceKind = 'type' | 'name' | 'id' | 'answers' | 'order' | 'removed' | 'added' | 'patch';

/** The first difference between the recorded outputs of a turn and those of the code. */
export interface Divergence {
  /** Which of the turn's outputs, from 0. */
  readonly index: number;
  readonly kind: DivergenceKind;
  /** undefined: the history holds nothing more in this turn. */
  readonly recorded: HistoryEvent | undefined;
  /** undefined: the code asked for nothing more in this turn. */
  readonly produced: NewEvent | undefined;
  /** Where the code asked for it, `order (src/workflows.ts:12:5)`; known to the sandbox. */
  readonly place?: string | undefined;
}

/** Why a workflow task failed: the run stays open, the task is tried again with back-off until code is fixed. */
export interface TaskFailure {
  /** WORKFLOW_ERROR for an error of the user's own. */
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack?: string;
  /** Only of an activation that explains. */
  readonly divergence?: Divergence;
  /** The worker was told to fail runs for it. */
  readonly failsRun?: boolean;
}

export interface LogLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly attributes: Record<string, unknown>;
}

/** An update that was not accepted: it leaves no event, and what stands behind it moves up. */
export interface RejectedUpdate {
  /** The seq that it came with. */
  readonly seq: number;
  /** Encoded. */
  readonly failure: Uint8Array;
}

export type ActivationResult =
  | {
      readonly ok: true;
      readonly outputs: readonly NewEvent[];
      readonly logs: readonly LogLine[];
      /** Absent when there are none. */
      readonly rejected?: readonly RejectedUpdate[];
    }
  | { readonly ok: false; readonly failure: TaskFailure; readonly logs: readonly LogLine[] };

/** Answer to a query: an encoded value or an encoded failure (see payload.ts, failure.ts). */
export type QueryResult =
  | { readonly ok: true; readonly payload: Uint8Array }
  | { readonly ok: false; readonly failure: Uint8Array; readonly registered: boolean };

/** Options of an activity as they stand in `meta` of ActivityScheduled: short keys, absent when default. */
export interface ScheduledMeta {
  /** Activity id when it is not the decimal count. */
  id: string;
  /** startToClose, scheduleToClose, scheduleToStart, heartbeat timeouts, ms. */
  stc?: number;
  s2c?: number;
  s2s?: number;
  hb?: number;
  /** Task queue when it is not the run's. */
  queue?: string;
  retry?: RetryMeta;
  /** TRY_CANCEL and ABANDON; absent = WAIT_CANCELLATION_COMPLETED. */
  cancel?: 'TRY_CANCEL' | 'ABANDON';
  effect?: 'none' | 'tx' | 'unsafe';
  /** Executed by the worker that owns the run, never offered to another. */
  local?: true;
  summary?: string;
}

/** `meta` of ExternalSignalInitiated and ExternalCancelInitiated; null when neither is set. */
export interface ExternalMeta {
  /** Only that run; absent: the open run of the workflow id. */
  runId?: string;
  /** seq of the ChildWorkflowInitiated of the child that is meant. */
  child?: number;
}

/** Another run of which a run knows. */
export interface RunLink {
  workflowId: string;
  runId: string;
}

/** Retry policy, ms; absent parts are the defaults: 1 s, ×2, at most 100 × initial, without limit. */
export interface RetryMeta {
  initial?: number;
  coefficient?: number;
  max?: number;
  attempts?: number;
  fatal?: string[];
}

/** `meta` of WorkflowFailed and WorkflowTimedOut, of a run that has a retry policy. */
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
  /** By `deprecatePatch`: code that asks for it no more may replay it. */
  deprecated: boolean;
}

/** `meta` of TimerStarted: due time, µs since 1970 as in `at`. */
export interface TimerMeta {
  due: Micros;
  summary?: string;
}
