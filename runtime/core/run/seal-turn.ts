// Makes the events of one turn from what is new: dense seqs, one time, and the chain hash that ends the turn. Every
// writer of turns comes through here; only starts, which their first turn covers, have no hash. Pure: sha256 is handed in.
import type { NewEvent, HistoryEvent, Micros } from '../log/event.ts';
import { type Sha256, turnHash } from '../log/hash-chain.ts';
import { assertTurn, type RunStatus } from '../log/transition.ts';

/** The end of a run's log: seq and time of its last event, and its last hash. */
export interface LogHead {
  readonly runId: string;
  readonly seq: number;
  readonly at: Micros;
  /** Empty before the first turn. */
  readonly hash: Uint8Array;
}

export interface SealedTurn {
  readonly events: HistoryEvent[];
  /** Of the run, after them. */
  readonly status: RunStatus;
}

/** The time of the turn behind `head`: it rises strictly from turn to turn. `now`: the database's clock. */
export function turnTime(head: LogHead, now: Micros): Micros {
  return Math.max(head.at + 1, now);
}

/**
 * `unhashed`: events in the log that no hash covers yet. An event with seq 0 gets the next one; any other must have it.
 * @throws ILLEGAL_STATE for a turn that breaks the rules of the log
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
  const status = assertTurn('running', head.seq, events);
  const last = events.at(-1);
  if (last !== undefined) {
    const covered = unhashed.length === 0 ? events : [...unhashed, ...events];
    events[events.length - 1] = { ...last, hash: turnHash(head.hash, head.runId, covered, sha256) };
  }
  return { events, status };
}
