// W6: how much memory do 100,000 sleeping runs need, and how fast do they wake when all of them are due at once?
import type pg from 'pg';
import { pause } from './bench.ts';
import { type BenchWorker, withWorkers } from './bench-worker.ts';
import { inFlight, newId } from './load.ts';
import { timerStarted } from './log-reader.ts';
import type { Measurement, Question } from './question.ts';
import { figure } from './statistics.ts';

const taskQueue = 'sleeping';
const startsInFlight = 400;
/** Starts per second that even a slow machine reaches. */
const slowStarts = 500;
/** Additional time in which the runs fall asleep and the worker's memory is measured. */
const restMs = 25_000;
const mebibyte = 1024 * 1024;

export const question: Question = {
  id: 'W6',
  title: 'sleeping runs that are all due at the same time',
  size: { of: 'runs', usual: 100_000 },
  isLong: true,
  async run({ client, pool }, { size }) {
    return withWorkers([{ taskQueue }], async (worker) => {
      const begun = performance.now();
      const due = Date.now() + (size / slowStarts) * 1000 + restMs;
      await inFlight(size, startsInFlight, async () => {
        await client.workflow.start('sleepUntil', { workflowId: newId(), taskQueue, args: [due] });
      });
      const startRate = (size / (performance.now() - begun)) * 1000;
      await allAsleep(pool, size, due);
      const asleep = await restAndWeigh(pool, worker, due);
      await allClosed(pool);
      const waking = await worker.memory();
      const woken = await wakingTimes(pool, due);
      return [
        { name: 'started', unit: 'runs/s', values: [startRate], better: 'higher' },
        ...woken,
        { name: 'RSS of the worker, asleep', unit: 'MiB', values: [asleep.rss], better: 'lower', note: asleep.note },
        { name: 'RSS of the worker, waking, peak', unit: 'MiB', values: [waking.peak / mebibyte], better: 'lower' },
      ];
    });
  },
};

async function allAsleep(pool: pg.Pool, size: number, due: number): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ n: number }>(
      'select count(*)::int as n from reprise.events where type = $1 and run_id in (select run_id from reprise.ready where queue = $2)',
      [timerStarted, `default/${taskQueue}`],
    );
    if (rows[0]!.n === size) return;
    if (Date.now() > due - 5_000) {
      throw new Error(`Only ${rows[0]!.n} of ${size} runs slept in time: the machine is too slow for this size.`);
    }
    await pause(1000);
  }
}

/** Waits until shortly before the runs are due, when most are evicted. Then measures the worker's memory. */
async function restAndWeigh(pool: pg.Pool, worker: BenchWorker, due: number): Promise<{ rss: number; note: string }> {
  await pause(due - Date.now() - 3_000);
  const { rows } = await pool.query<{ n: number }>(
    'select count(*)::int as n from reprise.ready where queue = $1 and owner is not null',
    [`default/${taskQueue}`],
  );
  const { rss, peak } = await worker.memory();
  const note = `${rows[0]!.n} runs in memory; peak while they started ${figure(peak / mebibyte)} MiB`;
  return { rss: rss / mebibyte, note };
}

async function allClosed(pool: pg.Pool): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ open: boolean }>(
      'select exists (select from reprise.ready where queue = $1) as open',
      [`default/${taskQueue}`],
    );
    if (!rows[0]!.open) return;
    await pause(500);
  }
}

/**
 * Computed from the times in the log. Every run must have completed, and no run may have completed before it was due.
 */
async function wakingTimes(pool: pg.Pool, due: number): Promise<Measurement[]> {
  const { rows } = await pool.query<{
    n: number;
    wrong: number;
    early: number;
    first: number;
    half: number;
    last: number;
  }>(
    `select count(*)::int as n, count(*) filter (where status <> 'completed')::int as wrong,
       count(*) filter (where late < -50)::int as early,
       min(late) as first, percentile_cont(0.5) within group (order by late) as half, max(late) as last
     from (select status, extract(epoch from events.at)::float8 * 1000 - $2 as late
           from reprise.runs join reprise.events on events.run_id = runs.run_id and events.seq = runs.final_seq
           where task_queue = $1) closed`,
    [taskQueue, due],
  );
  const { n, wrong, early, first, half, last } = rows[0]!;
  if (wrong > 0 || early > 0) throw new Error(`${wrong} runs did not complete, ${early} woke before they were due.`);
  return [
    { name: 'woken and completed', unit: 'runs/s', values: [(n / last) * 1000], better: 'higher' },
    {
      name: 'due to the last completed',
      unit: 's',
      values: [last / 1000],
      better: 'lower',
      note: `the first after ${figure(first)} ms, half after ${figure(half / 1000)} s`,
    },
  ];
}
