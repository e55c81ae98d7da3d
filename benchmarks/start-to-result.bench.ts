// W3: on an idle system, how long is the time from start to result, with the worker in the client's process and in
// another?
import { pino } from 'pino';
import { Worker } from 'reprise/worker';
import * as activities from './activities.ts';
import { type Bench, pause } from './bench.ts';
import { withWorkers } from './bench-worker.ts';
import { newId, payload } from './load.ts';
import type { Measurement, Question } from './question.ts';
import { figure, median, percentile } from './statistics.ts';

export const question: Question = {
  id: 'W3',
  title: 'start to result of a run of one activity, one at a time',
  size: { of: 'runs a round', usual: 200 },
  async run(bench, { rounds, size }) {
    const apart = await withWorkers([{ taskQueue: 'latency' }], () =>
      latencies(bench, 'latency', 'other process', rounds, size),
    );
    const worker = await Worker.create({
      connection: bench.connection,
      taskQueue: 'latency-local',
      workflowsPath: new URL('./workflows.ts', import.meta.url),
      activities,
      logger: pino({ level: 'error' }),
    });
    const together = await worker.runUntil(() => latencies(bench, 'latency-local', 'same process', rounds, size));
    return [...apart, ...together];
  },
};

async function latencies(
  { client }: Bench,
  taskQueue: string,
  where: string,
  rounds: number,
  size: number,
): Promise<Measurement[]> {
  const one = async (): Promise<number> => {
    const begun = performance.now();
    await client.workflow.execute('oneActivity', { workflowId: newId(), taskQueue, args: [payload] });
    const time = performance.now() - begun;
    await pause(2); // the system is idle between two starts
    return time;
  };
  for (let i = 0; i < 50; i++) await one();
  const p50: number[] = [];
  const p95: number[] = [];
  const all: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const times: number[] = [];
    for (let i = 0; i < size; i++) times.push(await one());
    p50.push(median(times));
    p95.push(percentile(times, 0.95));
    all.push(...times);
  }
  const note = `p99 of all ${figure(percentile(all, 0.99))} ms`;
  return [
    { name: `${where}, p50`, unit: 'ms', values: p50, better: 'lower' },
    { name: `${where}, p95`, unit: 'ms', values: p95, better: 'lower', note },
  ];
}
