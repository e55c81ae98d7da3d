// The only source of randomness for tests that make random choices without fast-check. REPRISE_TEST_SEED sets the seed,
// and a process that fails prints its seed. Properties of fast-check print their own seeds.
import { randomInt } from 'node:crypto';

export const testSeed: number = Number(process.env['REPRISE_TEST_SEED'] ?? randomInt(2 ** 31));

process.once('exit', (code) => {
  if (code !== 0) console.error(`Run again with the same choices: REPRISE_TEST_SEED=${testSeed}`);
});

let state = testSeed;

/** From 0 up to but excluding 1. Source: mulberry32, by Tommy Ettinger (public domain). */
export function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

/** An integer from 0 up to but excluding `limit`. */
export function randomBelow(limit: number): number {
  return Math.floor(random() * limit);
}
