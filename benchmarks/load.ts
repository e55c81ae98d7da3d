// The loads that several questions use, and the repetition of rounds.
import type { Client } from 'reprise/client';

/** 207 bytes as JSON. The comparison with the peers uses the same payload. */
export const payload: unknown = {
  id: 'a3f1c2d4-0000-4000-8000-000000000001',
  kind: 'benchmark',
  text: 'x'.repeat(127),
};

let nextId = 0;
export const newId = (): string => `bench-${process.pid}-${nextId++}`;

/** Calls `once` `rounds` times, after one more call that warms up. */
export async function repeated(rounds: number, once: () => Promise<number>): Promise<number[]> {
  await once();
  const values: number[] = [];
  for (let i = 0; i < rounds; i++) values.push(await once());
  return values;
}

/** Calls `work` `count` times, with at most `limit` calls at once. */
export async function inFlight(count: number, limit: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(limit, count) }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

/** Runs `work`, which does `count` things. Returns the things done per second. */
export async function rate(count: number, work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (count / (performance.now() - begun)) * 1000;
}

/** W1: runs of one activity, 200 in flight. Returns runs per second. */
export function shortWorkflows(
  client: Client,
  taskQueue: string,
  count: number,
  workflow = 'oneActivity',
): Promise<number> {
  return rate(count, () =>
    inFlight(count, 200, async () => {
      await client.workflow.execute(workflow, { workflowId: newId(), taskQueue, args: [payload] });
    }),
  );
}

/** W2b: `runs` concurrent runs of `steps` sequential activities each. Returns activities per second. */
export function sequentialRuns(client: Client, taskQueue: string, runs: number, steps: number): Promise<number> {
  return rate(runs * steps, () =>
    inFlight(runs, runs, async () => {
      await client.workflow.execute('sequential', { workflowId: newId(), taskQueue, args: [payload, steps] });
    }),
  );
}
