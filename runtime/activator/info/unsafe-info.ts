// Facts about the machine that workflow code may read at its own risk. They differ on every replay, so the workflow
// must not base decisions on them.
import { Random } from '../determinism/random.ts';
import type { OpenTurn } from '../run/open-turn.ts';

/** Random numbers that no replay repeats. For query handlers and update validators, which no replay runs again. */
export interface UnsafeRandomSource {
  /** In [0, 1). */
  random(): number;
  uuid4(): string;
  fillRandom(bytes: Uint8Array): Uint8Array;
}

export interface UnsafeWorkflowInfo {
  /** The clock of the machine, ms. */
  now(): number;
  /** Also true in queries and validators that come between replayed activations. */
  readonly isReplaying: boolean;
  /** False in queries and validators, which run now. While it is true, log output is suppressed. */
  readonly isReplayingHistoryEvents: boolean;
  readonly random: UnsafeRandomSource;
}

/** Captured when this module loads, before `Date` and `Math` become deterministic. */
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
