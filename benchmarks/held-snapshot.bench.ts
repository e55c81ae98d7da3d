// W10: does the rate of W1 decay while somebody holds a snapshot open, so that vacuum cannot remove dead rows?
import pg from 'pg';
import type { Bench } from './bench.ts';
import { withWorkers } from './bench-worker.ts';
import { newId, payload, shortWorkflows } from './load.ts';
import type { Measurement, Question } from './question.ts';

const taskQueue = 'held-snapshot';
/** In the usual ten minutes, a slice is one minute long. */
const slices = 10;
/** The control measurement, without a snapshot, takes fewer slices. */
const controlSlices = 3;

export const question: Question = {
  id: 'W10',
  title: 'W1 while another session holds a snapshot open',
  size: { of: 'seconds', usual: 600 },
  isLong: true,
  async run(bench, { size }) {
    const sliceMs = (size * 1000) / slices;
    return withWorkers([{ taskQueue }], async () => {
      await shortWorkflows(bench.client, taskQueue, 2000);
      // Analyzes once by hand, so that the plans do not depend on when autovacuum first analyzes the table.
      await bench.pool.query('analyze reprise.events');
      const control = await ratesBySlice(bench, sliceMs, controlSlices);
      const holder = new pg.Client({ connectionString: process.env['REPRISE_DATABASE_URL'] });
      await holder.connect();
      try {
        await holder.query('begin isolation level repeatable read; select 1 from pg_class limit 1');
        const held = await ratesBySlice(bench, sliceMs, slices);
        const note = `${await deadRows(bench)} dead rows in reprise.ready`;
        return [...measured('no snapshot', control, sliceMs), ...measured('snapshot held', held, sliceMs, note)];
      } finally {
        await holder.end();
      }
    });
  },
};

function measured(name: string, rates: readonly number[], sliceMs: number, note?: string): Measurement[] {
  const decay = (1 - rates.at(-1)! / rates[0]!) * 100;
  const by = `by ${sliceMs / 1000} s: ${rates.map(Math.round).join(' ')}`;
  return [
    { name: `${name}, rate`, unit: 'workflows/s', values: rates, better: 'higher', note: by },
    {
      name: `${name}, decay of the last against the first`,
      unit: '%',
      values: [decay],
      better: 'lower',
      ...(note === undefined ? {} : { note }),
    },
  ];
}

/** Keeps 200 runs in flight. Returns the completed workflows per second for each slice. */
async function ratesBySlice({ client }: Bench, sliceMs: number, count: number): Promise<number[]> {
  const completed = Array.from({ length: count }, () => 0);
  const begun = performance.now();
  const slice = (): number => Math.floor((performance.now() - begun) / sliceMs);
  await Promise.all(
    Array.from({ length: 200 }, async () => {
      while (slice() < count) {
        await client.workflow.execute('oneActivity', { workflowId: newId(), taskQueue, args: [payload] });
        const now = slice();
        if (now < count) completed[now]! += 1;
      }
    }),
  );
  return completed.map((n) => (n / sliceMs) * 1000);
}

async function deadRows({ pool }: Bench): Promise<number> {
  const { rows } = await pool.query<{ dead: string }>(
    "select n_dead_tup as dead from pg_stat_user_tables where schemaname = 'reprise' and relname = 'ready'",
  );
  return Number(rows[0]?.dead);
}
