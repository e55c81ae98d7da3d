// Checks the hash chain of a run in TypeScript, as reprise_audit.verify does in SQL. Tests compare the two verdicts.
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import { type Sha256, turnHash } from '../../runtime/core/log/hash-chain.ts';

const noHash = new Uint8Array(0);

/** `seq`: the event with the fault. If a hash does not match, the last event of the turn. */
type ChainVerdict =
  | { readonly ok: true; readonly head: Uint8Array }
  | { readonly ok: false; readonly seq: number; readonly problem: string };

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function sequenceProblem(expected: number, found: number): string {
  if (found < expected) return `event ${found} stands where event ${expected} is expected: added or out of order`;
  return found === expected + 1 ? `event ${expected} is missing` : `events ${expected} to ${found - 1} are missing`;
}

/**
 * Checks all events of a run, ordered by seq from 1. Returns the head or the first fault. Cannot detect missing events
 * at the end, because that needs a copy of the head from elsewhere. The head is empty until a worker has run the first
 * turn. Keeps only the events of one turn in memory.
 */
export function verifyChain(runId: string, events: Iterable<HistoryEvent>, sha256: Sha256): ChainVerdict {
  let head: Uint8Array = noHash;
  let expected = 1;
  let turn: HistoryEvent[] = [];
  for (const event of events) {
    if (event.seq !== expected) return { ok: false, seq: expected, problem: sequenceProblem(expected, event.seq) };
    expected += 1;
    turn.push(event);
    if (event.hash === null) continue;
    if (!isSame(event.hash, turnHash(head, runId, turn, sha256))) {
      const first = event.seq - turn.length + 1;
      return {
        ok: false,
        seq: event.seq,
        problem: `the turn of events ${first} to ${event.seq} does not match its hash`,
      };
    }
    head = event.hash;
    turn = [];
  }
  if (expected === 1) return { ok: false, seq: 1, problem: 'event 1 is missing' };
  // A client writes WorkflowStarted without a hash. The hash of the worker's first turn covers that event.
  const onlyStarted = expected === 2 && turn[0]?.type === 'WorkflowStarted';
  if (turn.length > 0 && !onlyStarted) {
    const first = expected - turn.length;
    return { ok: false, seq: expected - 1, problem: `the turn of events ${first} to ${expected - 1} has no hash` };
  }
  return { ok: true, head };
}
