// W1 to W5 of the architecture's section 11, Reprise alone: rates, latencies, bytes and commits a step.
import { Worker } from 'reprise/worker';
import { pino } from 'pino';
import * as activities from './activities.ts';
import {
  type Bench,
  footprint,
  inFlight,
  median,
  payload,
  percentile,
  report,
  startWorkerProcess,
  stopProcess,
} from './support.ts';

let nextId = 0;
const id = (): string => `bench-${process.pid}-${nextId++}`;

/** Runs every question once more than `rounds` (the first warms up) and prints medians. */
export async function core(bench: Bench, rounds: number): Promise<void> {
  const worker = await startWorkerProcess('bench');
  try {
    await shortWorkflows(bench, rounds);
    await oneSequential(bench, rounds);
    await manySequential(bench, rounds);
    await fanOut(bench, rounds);
    await startToResult(bench, 'bench', 'W3 start to result, worker in another process');
  } finally {
    await stopProcess(worker);
  }
  await inOneProcess(bench);
  await recovery(bench);
}

async function repeated(rounds: number, once: () => Promise<number>): Promise<number[]> {
  await once();
  const values: number[] = [];
  for (let i = 0; i < rounds; i++) values.push(await once());
  return values;
}

function spread(values: readonly number[], digits = 0): string {
  const fixed = (value: number): string => value.toFixed(digits);
  return `${fixed(median(values))} (${fixed(Math.min(...values))}-${fixed(Math.max(...values))})`;
}

async function shortWorkflows({ client, pool }: Bench, rounds: number): Promise<void> {
  const count = 2000;
  const once = async (): Promise<number> => {
    const begun = performance.now();
    await inFlight(count, 200, async () => {
      await client.workflow.execute('oneActivity', { workflowId: id(), taskQueue: 'bench', args: [payload] });
    });
    return (count / (performance.now() - begun)) * 1000;
  };
  const rates = await repeated(rounds, once);
  const cost = await footprint(pool, async () => void (await once()));
  report('W1 short workflows, 200 in flight', `${spread(rates)} workflows/s`);
  report('', `${(cost.commits / count).toFixed(2)} commits, ${Math.round(cost.walBytes / count)} WAL bytes a workflow`);
}

async function oneSequential({ client, pool }: Bench, rounds: number): Promise<void> {
  const count = 1000;
  const once = async (): Promise<number> => {
    const begun = performance.now();
    await client.workflow.execute('sequential', { workflowId: id(), taskQueue: 'bench', args: [payload, count] });
    return (performance.now() - begun) / count;
  };
  const times = await repeated(rounds, once);
  const cost = await footprint(pool, async () => {
    await once();
  });
  report('W2 one run, sequential activities', `${spread(times, 3)} ms a step`);
  report(
    '',
    `${(cost.commits / count).toFixed(2)} commits, ${Math.round(cost.walBytes / count)} WAL bytes, ${Math.round(cost.tableBytes / count)} table and index bytes a step`,
  );
}

async function manySequential({ client }: Bench, rounds: number): Promise<void> {
  const [runs, count] = [50, 100];
  const rates = await repeated(rounds, async () => {
    const begun = performance.now();
    await inFlight(runs, runs, async () => {
      await client.workflow.execute('sequential', { workflowId: id(), taskQueue: 'bench', args: [payload, count] });
    });
    return ((runs * count) / (performance.now() - begun)) * 1000;
  });
  report('W2b 50 runs of 100 sequential activities', `${spread(rates)} steps/s`);
}

async function fanOut({ client }: Bench, rounds: number): Promise<void> {
  const count = 1000;
  const rates = await repeated(rounds, async () => {
    const begun = performance.now();
    await client.workflow.execute('fanOut', { workflowId: id(), taskQueue: 'bench', args: [payload, count] });
    return (count / (performance.now() - begun)) * 1000;
  });
  report('W5 1,000 parallel activities in one run', `${spread(rates)} steps/s`);
}

async function startToResult({ client }: Bench, taskQueue: string, name: string): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 250; i++) {
    const begun = performance.now();
    await client.workflow.execute('oneActivity', { workflowId: id(), taskQueue, args: [payload] });
    if (i >= 50) times.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 2)); // idle in between
  }
  report(
    name,
    `p50 ${median(times).toFixed(2)} ms, p95 ${percentile(times, 0.95).toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms`,
  );
}

async function inOneProcess(bench: Bench): Promise<void> {
  const worker = await Worker.create({
    connection: bench.connection,
    taskQueue: 'bench-local',
    workflowsPath: new URL('./workflows.ts', import.meta.url),
    activities,
    logger: pino({ level: 'error' }),
  });
  await worker.runUntil(() => startToResult(bench, 'bench-local', 'W3 start to result, one process'));
}

/** Kills the worker of a run with 10,000 activities behind it; another, which is idle, takes over. */
async function recovery({ client, pool }: Bench): Promise<void> {
  const count = 10_000;
  const first = await startWorkerProcess('bench');
  const workflowId = id();
  const handle = await client.workflow.start('sequentialThenWait', {
    workflowId,
    taskQueue: 'bench',
    args: [payload, count],
  });
  const done = async (): Promise<number> => {
    const { rows } = await pool.query<{ n: number }>('select max(seq) as n from reprise.events where run_id = $1', [
      handle.runId,
    ]);
    return rows[0]?.n ?? 0;
  };
  while ((await done()) < 2 * count + 1) await new Promise((resolve) => setTimeout(resolve, 20));
  const second = await startWorkerProcess('bench');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const killed = Date.now();
  first.kill('SIGKILL');
  await handle.signal('go');
  await handle.result();
  const { rows } = await pool.query<{ at: Date; claimed: Date | null }>(
    'select at from reprise.events where run_id = $1 and seq > $2 order by seq limit 1',
    [handle.runId, 2 * count + 1],
  );
  report('W4 recovery of 10,000 steps, kill to first new event', `${rows[0]!.at.getTime() - killed} ms`);
  await stopProcess(second);
}
