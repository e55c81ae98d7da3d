// Checks the hash chain of a log event by event, as reprise_audit.verify does in SQL. Keeps the events of one turn.
// Pure. Cannot detect a missing tail: that needs a copy of the head from elsewhere.
import type { HistoryEvent } from './event.ts';
import { type Sha256, turnHash } from './hash-chain.ts';
import type { LineSegment, LogOwner } from './line.ts';

export interface ChainFault {
  /** The event with the fault; for a wrong hash, the last event of its turn. */
  readonly seq: number;
  readonly problem: string;
}

export class ChainVerifier {
  readonly #owner: LogOwner;
  readonly #sha256: Sha256;
  #turn: HistoryEvent[] = [];
  /** Seq of the last event. */
  seq = 0;
  /** The last hash; empty before the first. */
  head: Uint8Array = new Uint8Array(0);

  constructor(line: readonly LineSegment[], sha256: Sha256) {
    const ancestors = line.slice(0, -1);
    this.#owner = { runId: line.at(-1)!.runId, line: ancestors.length === 0 ? undefined : ancestors };
    this.#sha256 = sha256;
  }

  /** Number of events that no hash covers yet. */
  get unhashed(): number {
    return this.#turn.length;
  }

  /** Takes the next event. After a fault, takes no more. */
  take(event: HistoryEvent): ChainFault | undefined {
    if (event.seq !== this.seq + 1) return { seq: this.seq + 1, problem: sequenceProblem(this.seq + 1, event.seq) };
    this.seq = event.seq;
    this.#turn.push(event);
    if (event.hash === null) return undefined;
    const expected = turnHash(this.head, this.#owner, this.#turn, this.#sha256);
    const first = event.seq - this.#turn.length + 1;
    this.#turn = [];
    this.head = event.hash;
    if (isSame(event.hash, expected)) return undefined;
    return { seq: event.seq, problem: `the turn of events ${first} to ${event.seq} does not match its hash` };
  }

  /** Call after the last event. */
  finish(): ChainFault | undefined {
    if (this.seq === 0) return { seq: 1, problem: 'event 1 is missing' };
    // A client writes WorkflowStarted without a hash. The hash of the worker's first turn covers that event.
    const isOnlyStarted = this.seq === 1 && this.#turn[0]?.type === 'WorkflowStarted';
    if (this.#turn.length === 0 || isOnlyStarted) return undefined;
    const first = this.seq - this.#turn.length + 1;
    return { seq: this.seq, problem: `the turn of events ${first} to ${this.seq} has no hash` };
  }
}

function sequenceProblem(expected: number, found: number): string {
  if (found < expected) return `event ${found} stands where event ${expected} is expected: added or out of order`;
  return found === expected + 1 ? `event ${expected} is missing` : `events ${expected} to ${found - 1} are missing`;
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
