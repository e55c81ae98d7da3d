// Idempotency keys that a fork takes over from the abandoned part of its origin's history: a call that is made once more
// has the key of the first time, so that whoever receives it can tell. Pure.
import type { ScheduledMeta } from '../log/activation.ts';
import type { HistoryEvent, NewEvent } from '../log/event.ts';
import type { Sha256 } from '../log/hash-chain.ts';
import { type LogOwner, runIdAt } from '../log/line.ts';

/** The idempotency key of an activity. `owner`: the run whose history holds its schedule. */
export function idempotencyKey(owner: LogOwner, { seq, meta }: Pick<HistoryEvent, 'seq' | 'meta'>): string {
  return (JSON.parse(meta ?? '{}') as Partial<ScheduledMeta>).key ?? `${runIdAt(owner, seq)}:${seq}`;
}

export class InheritedKeys {
  readonly #sha256: Sha256;
  /** Null: several calls look the same, so none of their keys can be taken over. */
  readonly #keys = new Map<string, string | null>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** `event`: an ActivityScheduled of the origin, with the digest of its arguments as payload. */
  add(origin: LogOwner, event: HistoryEvent): void {
    const call = callOf(event, event.payload);
    this.#keys.set(call, this.#keys.has(call) ? null : idempotencyKey(origin, event));
  }

  /** The event as the fork logs it: with the key of the same call in the origin, if there is one. */
  keyed(event: NewEvent): NewEvent {
    if (event.type !== 'ActivityScheduled') return event;
    const digest = event.payload === null ? null : this.#sha256(event.payload);
    const key = this.#keys.get(callOf(event, digest));
    if (key === undefined || key === null) return event;
    return { ...event, meta: JSON.stringify({ ...(JSON.parse(event.meta ?? '{}') as object), key }) };
  }
}

/** What makes two calls the same: activity id, activity type, and the digest of the arguments. */
function callOf({ name, meta }: Pick<NewEvent, 'name' | 'meta'>, digest: Uint8Array | null): string {
  const { id } = JSON.parse(meta ?? '{}') as Partial<ScheduledMeta>;
  return JSON.stringify([id, name, digest === null ? null : [...digest]]);
}
