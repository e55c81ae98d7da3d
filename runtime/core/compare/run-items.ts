// What a run did and received, item by item: activities, timers, children, messages to and from others, version
// markers. Two runs are compared by these items. Pure, and holds digests instead of values, so that long runs fit.
import type { FailureInfo } from '../failure/failure-info.ts';
import type { ScheduledMeta, TimerMeta } from '../log/activation.ts';
import type { EventType, HistoryEvent, Micros } from '../log/event.ts';
import type { Sha256 } from '../log/hash-chain.ts';
import { decodePayload, encodePayload } from '../payload/payload.ts';

export type ItemKind = 'activity' | 'timer' | 'child' | 'message' | 'signal' | 'update' | 'marker';

/** How an item ended. `pending`: it has not. `received`: nothing answers it, as with a signal. */
export type ItemOutcome =
  | 'pending'
  | 'received'
  | 'completed'
  | 'failed'
  | 'timed_out'
  | 'cancelled'
  | 'terminated'
  | 'fired'
  | 'delivered';

export interface RunItem {
  readonly kind: ItemKind;
  readonly seq: number;
  /** Type of an activity or a child; name of a signal, update or marker; empty for a timer. */
  readonly name: string;
  /** The id that the caller gave. Undefined when there is none: ids that the engine numbers say nothing. */
  readonly id: string | undefined;
  /** Digest of the arguments in hex; for a timer, its duration in ms. */
  readonly input: string;
  readonly outcome: ItemOutcome;
  /** Digest of the result or failure in hex; empty when there is none. Stacks of failures do not count. */
  readonly result: string;
  /** Seq of the event that ended the item. */
  readonly endSeq: number | undefined;
}

type OpenItem = { -readonly [K in keyof RunItem]: RunItem[K] };

const outcomes: Partial<Record<EventType, ItemOutcome>> = {
  ActivityCompleted: 'completed',
  ActivityFailed: 'failed',
  ActivityTimedOut: 'timed_out',
  ActivityCancelled: 'cancelled',
  TimerFired: 'fired',
  TimerCancelled: 'cancelled',
  UpdateCompleted: 'completed',
  UpdateFailed: 'failed',
  ChildWorkflowStartFailed: 'failed',
  ChildWorkflowCompleted: 'completed',
  ChildWorkflowFailed: 'failed',
  ChildWorkflowCancelled: 'cancelled',
  ChildWorkflowTimedOut: 'timed_out',
  ChildWorkflowTerminated: 'terminated',
  ExternalSignalDelivered: 'delivered',
  ExternalSignalFailed: 'failed',
  ExternalCancelDelivered: 'delivered',
  ExternalCancelFailed: 'failed',
};

/** Folds a log into items. Expects the digests of activities' arguments instead of the arguments. */
export class RunItems {
  readonly items: RunItem[] = [];
  readonly #sha256: Sha256;
  readonly #open = new Map<number, OpenItem>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  take(event: HistoryEvent): void {
    const outcome = outcomes[event.type];
    if (outcome !== undefined) return this.#end(event, outcome);
    const { correlationId } = event;
    switch (event.type) {
      case 'ActivityScheduled': {
        const { id = '' } = JSON.parse(event.meta ?? '{}') as Partial<ScheduledMeta>;
        return this.#begin(event, 'activity', { id: isNumbered(id) ? undefined : id, input: hex(event.payload) });
      }
      case 'TimerStarted': {
        const { due = event.at } = JSON.parse(event.meta ?? '{}') as Partial<TimerMeta>;
        return this.#begin(event, 'timer', { input: String(milliseconds(due - event.at)) });
      }
      case 'ChildWorkflowInitiated':
        return this.#begin(event, 'child', { id: correlationId ?? undefined });
      case 'ExternalSignalInitiated':
        return this.#begin(event, 'message', { id: correlationId ?? undefined });
      case 'ExternalCancelInitiated':
        return this.#begin({ ...event, name: 'cancel request' }, 'message', { id: correlationId ?? undefined });
      case 'UpdateAccepted':
        return this.#begin(event, 'update', { id: correlationId ?? undefined });
      case 'SignalReceived':
        return this.#begin(event, 'signal', { outcome: 'received' });
      case 'WorkflowCancelRequested':
        return this.#begin({ ...event, name: 'cancel request' }, 'signal', { outcome: 'received' });
      case 'VersionMarked':
        return this.#begin(event, 'marker', { id: event.name ?? undefined, outcome: 'received' });
      case 'RecoveryApplied':
        return this.#edit(event);
      default:
        return;
    }
  }

  /** Digest of what an event holds, in hex. Of a failure, only what can be compared. */
  digestOf(event: HistoryEvent | undefined): string {
    if (event === undefined) return '';
    const { type, payload } = event;
    return /(Failed|TimedOut|Cancelled)$/.test(type) ? this.#failureDigest(payload) : this.#digest(payload);
  }

  #begin(event: HistoryEvent, kind: ItemKind, columns: Partial<Pick<RunItem, 'id' | 'input' | 'outcome'>>): void {
    const { seq, name, payload } = event;
    const { id, input = this.#digest(payload), outcome = 'pending' } = columns;
    const item: OpenItem = { kind, seq, name: name ?? '', id, input, outcome, result: '', endSeq: undefined };
    this.items.push(item);
    if (outcome === 'pending') this.#open.set(seq, item);
  }

  #end(event: HistoryEvent, outcome: ItemOutcome): void {
    const item = event.answers === null ? undefined : this.#open.get(event.answers);
    if (item === undefined) return;
    this.#open.delete(item.seq);
    item.outcome = outcome;
    item.endSeq = event.seq;
    item.result = this.digestOf(event);
  }

  /** A retry may replace the arguments of an activity. */
  #edit({ answers, name, payload }: HistoryEvent): void {
    const item = answers === null ? undefined : this.#open.get(answers);
    if (item?.kind === 'activity' && name === 'retry' && payload !== null) item.input = this.#digest(payload);
  }

  #digest(payload: Uint8Array | null): string {
    return payload === null ? '' : hex(this.#sha256(payload));
  }

  #failureDigest(payload: Uint8Array | null): string {
    if (payload === null) return '';
    const info = decodePayload(payload);
    return this.#digest(isFailureInfo(info) ? encodePayload(comparable(info)) : payload);
  }
}

/** The ids that the engine gives to activities are numbers. They change when code adds a call, so they match nothing. */
function isNumbered(id: string): boolean {
  return /^\d*$/.test(id);
}

/** Whole milliseconds: the due time of a timer is exact, the time of its turn is not. */
function milliseconds(micros: Micros): number {
  return Math.round(micros / 1_000);
}

function isFailureInfo(value: unknown): value is FailureInfo {
  return typeof value === 'object' && value !== null && 'kind' in value && 'message' in value;
}

/** The parts of a failure that code can see and that do not change with the run or the place in the source. */
function comparable({ kind, message, cause, ...rest }: FailureInfo): object {
  const { type, details, timeoutType, workflowType, activityType } = rest as Record<string, unknown>;
  return {
    kind,
    message,
    type,
    details,
    timeoutType,
    workflowType,
    activityType,
    cause: cause === undefined ? undefined : comparable(cause),
  };
}

function hex(bytes: Uint8Array | null): string {
  if (bytes === null) return '';
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
