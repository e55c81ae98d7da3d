// The loads that more than one question puts on the engine, and how rounds are repeated.
import type { Client } from 'reprise/client';

/** 207 bytes as JSON, as in the peers' measurements. */
export const payload: unknown = {
  id: 'a3f1c2d4-0000-4000-8000-000000000001',
  kind: 'benchmark',
  text: 'x'.repeat(127),
};

let nextId = 0;
export const newId = (): string => `bench-${process.pid}-${nextId++}`;

/** Does `once` one time more than `rounds`; the first warms up. */
export async function repeated(rounds: number, once: () => Promise<number>): Promise<number[]> {
  await once();
  const values: number[] = [];
  for (let i = 0; i < rounds; i++) values.push(await once());
  return values;
}

/** Does `count` times `work` with `limit` at once. */
export async function inFlight(count: number, limit: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(limit, count) }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

/** `count` of something, in a second each. */
export async function rate(count: number, work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (count / (performance.now() - begun)) * 1000;
}

/** W1: runs of one activity, 200 in flight. Returns runs a second. */
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

/** W2b: `runs` runs at once of `steps` sequential activities each. Returns activities a second. */
export function sequentialRuns(client: Client, taskQueue: string, runs: number, steps: number): Promise<number> {
  return rate(runs * steps, () =>
    inFlight(runs, runs, async () => {
      await client.workflow.execute('sequential', { workflowId: newId(), taskQueue, args: [payload, steps] });
    }),
  );
}
