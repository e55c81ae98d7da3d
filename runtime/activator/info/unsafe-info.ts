// What workflow code may ask of the machine, at its own risk: differs on every replay, so nothing may be decided by it.
import { Random } from '../determinism/random.ts';
import type { OpenTurn } from '../run/open-turn.ts';

/** Fresh with every draw: for query handlers and update validators, whose answers no replay repeats. */
export interface UnsafeRandomSource {
  /** In [0, 1). */
  random(): number;
  uuid4(): string;
  /** Fills and returns `bytes`. */
  fillRandom(bytes: Uint8Array): Uint8Array;
}

export interface UnsafeWorkflowInfo {
  /** The clock of the machine, ms. */
  now(): number;
  /** Also in queries and validators that come between replayed activations. */
  readonly isReplaying: boolean;
  /** False in queries and validators, which happen now: what is logged is suppressed while it is true. */
  readonly isReplayingHistoryEvents: boolean;
  readonly random: UnsafeRandomSource;
}

/** Taken when this module loads, before `Date` and `Math` are made deterministic. */
const machineNow = Date.now;
const machineRandom = Math.random;

function uint32(): number {
  return Math.floor(machineRandom() * 2 ** 32);
}

const machineRandomSource: UnsafeRandomSource = {
  random: machineRandom,
  uuid4() {
    const seed = Array.from({ length: 4 }, () => uint32().toString(16).padStart(8, '0')).join('');
    return new Random(seed).uuid4();
  },
  fillRandom(bytes) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = uint32() & 0xff;
    return bytes;
  },
};

export function unsafeInfo(turn: OpenTurn): UnsafeWorkflowInfo {
  return {
    now: machineNow,
    get isReplaying() {
      return turn.isOfReplay;
    },
    get isReplayingHistoryEvents() {
      return turn.isReplaying;
    },
    random: machineRandomSource,
  };
}
