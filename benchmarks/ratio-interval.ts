// Confidence interval of a ratio that was measured in a few pairs: a bootstrap of the mean log ratio. The random
// numbers are seeded, so the same values give the same interval.

export interface RatioInterval {
  readonly ratio: number;
  /** Bounds of the 95 % interval. */
  readonly low: number;
  readonly high: number;
}

export type Verdict = 'faster' | 'slower' | 'same or not to be told apart';

const resamples = 20_000;
/** The smallest change that counts. */
const margin = 0.05;

/** `mine[i]` and `theirs[i]` were measured right after each other. Returns undefined if a value is not above 0. */
export function ratioInterval(mine: readonly number[], theirs: readonly number[]): RatioInterval | undefined {
  if (mine.length === 0 || [...mine, ...theirs].some((value) => !(value > 0))) return undefined;
  const logs = mine.map((value, i) => Math.log(value / theirs[i]!));
  const random = generator(1);
  const means = Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < logs.length; i++) sum += logs[Math.floor(random() * logs.length)]!;
    return sum / logs.length;
  }).sort((a, b) => a - b);
  const tail = tailShare(logs.length);
  const at = (share: number): number => Math.exp(means[Math.round(share * (resamples - 1))]!);
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return { ratio: Math.exp(mean), low: at(tail), high: at(1 - tail) };
}

/** Reports a change only if the whole interval lies beyond the margin. */
export function verdictOf({ low, high }: RatioInterval, better: 'higher' | 'lower'): Verdict {
  const [worst, best] = better === 'higher' ? [low, high] : [1 / high, 1 / low];
  if (best < 1 - margin) return 'slower';
  if (worst > 1 + margin) return 'faster';
  return 'same or not to be told apart';
}

/**
 * The percentiles of a bootstrap of few values lie too close together: with seven values, tails of 2.5 % would give an
 * interval that covers about 88 %. The tails are chosen so that, for normal values, the interval is as wide as
 * Student's interval (the "expanded percentile" interval).
 */
function tailShare(n: number): number {
  return normalShare(-Math.sqrt(n / (n - 1)) * studentQuantile(n - 1));
}

/**
 * 97.5 % quantile of Student's t, by an expansion around the normal quantile. With 6 or more degrees, at most 0.5 %
 * off.
 */
function studentQuantile(degrees: number): number {
  const z = 1.959964;
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, power) => sum + term / degrees ** power, 0);
}

/** The share of a normal distribution that is below `z`, by Simpson's rule. `z` is negative. */
function normalShare(z: number): number {
  const density = (x: number): number => Math.exp(-(x * x) / 2) / Math.sqrt(2 * Math.PI);
  const [from, parts] = [-8, 400];
  const width = (z - from) / parts;
  let sum = density(from) + density(z);
  for (let i = 1; i < parts; i++) sum += density(from + i * width) * (i % 2 === 1 ? 4 : 2);
  return (sum * width) / 3;
}

/** mulberry32: a sequence of numbers from 0 to 1 that the seed determines. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
