// The calls of workflow code that something outside answers, and the keys by which a call of a replay is found in the
// record. Pure: the caller passes sha256.
import type { ExternalMeta, ScheduledMeta, TimerMeta } from '../log/activation.ts';
import type { EventType, HistoryEvent } from '../log/event.ts';
import type { Sha256 } from '../log/hash-chain.ts';
import type { CallKind } from './replay-policy.ts';

export interface Called {
  readonly kind: CallKind;
  readonly seq: number;
  readonly name: string;
  /** Activity id, or workflow id of the other run. */
  readonly id: string;
  /** Equal for calls that the same answer fits: type, id and arguments. */
  readonly key: string;
  /** When a timer is due. */
  readonly due: number;
}

/** Ids that the engine gives count the calls, so a call that the code adds or drops shifts all later ones. */
const engineId = /^\d+$/;

/** Undefined for other events. `isDigest`: the payload of an ActivityScheduled is the digest of the arguments. */
export function calledBy(event: HistoryEvent, isDigest: boolean, sha256: Sha256): Called | undefined {
  const { seq, type, at, meta, payload } = event;
  const name = event.name ?? '';
  switch (type) {
    case 'ActivityScheduled': {
      const { id = '', local = false } = JSON.parse(meta ?? '{}') as Partial<ScheduledMeta>;
      const digest = payload === null || isDigest ? payload : sha256(payload);
      const key = ['activity', local, name, engineId.test(id) ? '' : id, hexOf(digest)];
      return { kind: 'activity', seq, name, id, key: JSON.stringify(key), due: 0 };
    }
    case 'ChildWorkflowInitiated': {
      const id = event.correlationId ?? '';
      const key = ['child', name, id, hexOf(payload === null ? null : sha256(payload))];
      return { kind: 'child', seq, name, id, key: JSON.stringify(key), due: 0 };
    }
    case 'ExternalSignalInitiated':
    case 'ExternalCancelInitiated': {
      const id = event.correlationId ?? '';
      const { runId = '' } = JSON.parse(meta ?? '{}') as ExternalMeta;
      return { kind: 'message', seq, name, id, key: JSON.stringify([type, name, id, runId]), due: 0 };
    }
    case 'TimerStarted': {
      const { due } = JSON.parse(meta ?? '{}') as TimerMeta;
      return { kind: 'timer', seq, name, id: '', key: `timer ${due - at}`, due };
    }
    default:
      return undefined;
  }
}

/** Events that end a call. */
const ends: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityTimedOut',
  'ActivityCancelled',
  'TimerFired',
  'TimerCancelled',
  'ChildWorkflowStartFailed',
  'ChildWorkflowCompleted',
  'ChildWorkflowFailed',
  'ChildWorkflowCancelled',
  'ChildWorkflowTimedOut',
  'ChildWorkflowTerminated',
  'ExternalSignalDelivered',
  'ExternalSignalFailed',
  'ExternalCancelDelivered',
  'ExternalCancelFailed',
]);

export function endsCall(type: EventType): boolean {
  return ends.has(type);
}

function hexOf(bytes: Uint8Array | null): string {
  if (bytes === null) return '';
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
