// Workflows of the benchmarks. Their activities do nothing.
import { condition, defineSignal, forEach, proxyActivities, setHandler, sleep } from 'reprise/workflow';
import type * as activities from './activities.ts';

const { echo } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });

export async function oneActivity(payload: unknown): Promise<unknown> {
  return echo(payload);
}

export async function sequential(payload: unknown, count: number): Promise<number> {
  for (let i = 0; i < count; i++) await echo(payload);
  return count;
}

export async function fanOut(payload: unknown, count: number): Promise<number> {
  await forEach(
    Array.from({ length: count }, (_, i) => i),
    () => echo(payload),
    { concurrency: count },
  );
  return count;
}

/** Sleeps until `due`, ms since 1970. */
export async function sleepUntil(due: number): Promise<void> {
  await sleep(Math.max(1, due - Date.now()));
}

export const tick = defineSignal<[number]>('tick');

/** Receives `count` signals; returns their sum. */
export async function countSignals(count: number): Promise<number> {
  let seen = 0;
  let sum = 0;
  setHandler(tick, (value) => {
    seen++;
    sum += value;
  });
  await condition(() => seen >= count);
  return sum;
}

export const go = defineSignal('go');

/**
 * Does `count` activities, waits for a signal, then does one more. A kill during the wait leaves `count` to recover.
 */
export async function sequentialThenWait(payload: unknown, count: number): Promise<number> {
  let released = false;
  setHandler(go, () => {
    released = true;
  });
  for (let i = 0; i < count; i++) await echo(payload);
  await condition(() => released);
  await echo(payload);
  return count;
}
