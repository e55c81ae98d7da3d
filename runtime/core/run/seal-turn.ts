// Makes the events of one turn from new inputs and outputs: dense seqs, one time, and the chain hash that ends the
// turn. All turns are sealed here. Only starts have no hash of their own: the hash of the first turn covers them. Pure:
// the caller passes sha256.
import type { NewEvent, HistoryEvent, Micros } from '../log/event.ts';
import { type Sha256, turnHash } from '../log/hash-chain.ts';
import type { LogOwner } from '../log/line.ts';
import { assertTurn, type RunStatus } from '../log/transition.ts';

/** The end of a run's log: seq and time of its last event, and its last hash. */
export interface LogHead extends LogOwner {
  readonly seq: number;
  readonly at: Micros;
  /** Empty before the first turn. */
  readonly hash: Uint8Array;
  /** Default: running. */
  readonly status?: RunStatus | undefined;
}

export interface SealedTurn {
  readonly events: HistoryEvent[];
  readonly status: RunStatus;
}

/** The time of the turn after `head`. It rises strictly from turn to turn. `now`: the database's clock. */
export function turnTime(head: LogHead, now: Micros): Micros {
  return Math.max(head.at + 1, now);
}

/**
 * `unhashed`: events in the log that no hash covers yet. An event with seq 0 gets the next seq; any other event must
 * already have its seq.
 * @throws ASSERTION_FAILED for a turn that breaks the rules of the log
 */
export function sealTurn(
  head: LogHead,
  unhashed: readonly HistoryEvent[],
  { newEvents, at }: { readonly newEvents: readonly NewEvent[]; readonly at: Micros },
  sha256: Sha256,
): SealedTurn {
  const events: HistoryEvent[] = [];
  for (const columns of newEvents) {
    const seq = columns.seq === 0 ? head.seq + events.length + 1 : columns.seq;
    events.push({ ...columns, seq, at, hash: null });
  }
  const status = assertTurn(head.status ?? 'running', head.seq, events);
  const last = events.at(-1);
  if (last !== undefined) {
    const covered = unhashed.length === 0 ? events : [...unhashed, ...events];
    events[events.length - 1] = { ...last, hash: turnHash(head.hash, head, covered, sha256) };
  }
  return { events, status };
}
