// Random numbers that every replay repeats: a pseudo-random sequence from the seed in WorkflowStarted.
// Source: sfc32 of PractRand (Chris Doty-Humphrey), 128 bits of state.
import { RuntimeError } from '../../core/failure/runtime-error.ts';

const warmUpRounds = 12;
const hexByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  /** `seed`: 32 hex digits. */
  constructor(seed: string) {
    if (!/^[0-9a-f]{32}$/i.test(seed)) {
      throw new RuntimeError(
        'INVALID_INPUT',
        `The run's seed is '${seed}', expected 32 hex digits in WorkflowStarted.`,
      );
    }
    this.#a = Number.parseInt(seed.slice(0, 8), 16) | 0;
    this.#b = Number.parseInt(seed.slice(8, 16), 16) | 0;
    this.#c = Number.parseInt(seed.slice(16, 24), 16) | 0;
    this.#counter = Number.parseInt(seed.slice(24, 32), 16) | 0;
    for (let round = 0; round < warmUpRounds; round += 1) this.uint32();
  }

  uint32(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** In [0, 1), with 53 bits, as Math.random. */
  next(): number {
    return ((this.uint32() >>> 5) * 67_108_864 + (this.uint32() >>> 6)) / 9_007_199_254_740_992;
  }

  uuid4(): string {
    let text = '';
    for (let word = 0; word < 4; word += 1) {
      let bits = this.uint32();
      if (word === 1) bits = (bits & 0xffff0fff) | 0x4000;
      if (word === 2) bits = (bits & 0x3fffffff) | 0x80000000;
      text += hexByte[bits >>> 24];
      text += hexByte[(bits >>> 16) & 0xff];
      if (word === 1 || word === 2) text += '-';
      text += hexByte[(bits >>> 8) & 0xff];
      text += hexByte[bits & 0xff];
      if (word === 0 || word === 1) text += '-';
    }
    return text;
  }
}

const offsetBasis = 0x811c9dc5;
/** One odd multiplier per lane: FNV-1a's own, and three similar ones. */
const primes = [0x01000193, 0x01000197, 0x010001a5, 0x010001b1];

/** 32 hex digits from a run's seed and a name: four lanes of FNV-1a. */
function seedOf(seed: string, name: string): string {
  return primes
    .map((prime, lane) => {
      let state = offsetBasis + lane;
      for (const char of `${seed} ${name}`) state = Math.imul(state ^ char.codePointAt(0)!, prime);
      return (state >>> 0).toString(16).padStart(8, '0');
    })
    .join('');
}

/** The named sequences of a run, each created at its first use. */
export class RandomStreams {
  readonly #seed: () => string;
  readonly #byName = new Map<string, Random>();

  constructor(seed: () => string) {
    this.#seed = seed;
  }

  get(name: string): Random {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const random = new Random(seedOf(this.#seed(), name));
    this.#byName.set(name, random);
    return random;
  }
}
