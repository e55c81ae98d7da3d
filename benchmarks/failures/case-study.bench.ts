// BM-21: the source system's case study. A job of 10 hours crashes twelve times, and each crash costs $150 an hour for
// all that is done again. Time is scaled, because a benchmark cannot wait 10 hours: 600 stages stand for 60 s each. How
// long a crash delays the job is not scaled.
import type pg from 'pg';
import type { Question } from '../question.ts';
import { figure, median } from '../statistics.ts';
import type { Failures } from './activities.ts';
import { FailureLab } from './failure-lab.ts';
import { demandEqual } from './run-checks.ts';
import { seeded } from './seeded.ts';
import { even, stagedRun } from './staged-run.ts';
import { WorkerPool } from './worker-pool.ts';

const crashes = 12;
const stages = 600;
const jobHours = 10;
const dollarsAnHour = 150;

export const question: Question = {
  id: 'BM-21',
  title: `case study: a job of ${jobHours} h in ${stages} stages, scaled, with ${crashes} crashes`,
  size: { of: 'ms a stage', usual: 100 },
  isLong: true,
  async run(bench, { size }) {
    return FailureLab.open(bench, 'case-study', (lab) =>
      WorkerPool.open(lab, 2, async () => {
        await stagedRun(lab, even(100, 1)); // warms up
        const { runId, takeovers } = await stagedRun(lab, { ...even(stages, size), failures: crashStages() });
        demandEqual('takeovers', takeovers.length, crashes);
        const { lostMs, savedMs, usualMs } = await accountOf(bench.pool, runId);
        const hours = (savedMs / (stages * usualMs)) * jobHours;
        const inTime = lostMs.filter((ms) => ms <= 1000).length;
        return [
          {
            name: 'time lost by a crash',
            unit: 'ms',
            values: lostMs,
            better: 'lower',
            note: `${inTime} of ${crashes} within a second; together ${figure(sum(lostMs) / 1000)} s`,
          },
          {
            name: 'not done again, by the log',
            unit: 'h (scaled)',
            values: [hours],
            better: 'higher',
            note: `$${figure(hours * dollarsAnHour)} at $${dollarsAnHour} an hour`,
          },
        ];
      }),
    );
  },
};

/** A seeded stage in each twelfth of the job. */
function crashStages(): Failures {
  const random = seeded(21);
  const crashed = Array.from({ length: crashes }, (_, i) => Math.floor(((i + 0.9 * random()) * stages) / crashes));
  return Object.fromEntries(crashed.map((stage) => [stage, 'kill' as const]));
}

/**
 * `lostMs`: for each crash, how much longer the stage in which it happened took than the others. `savedMs`: for each
 * crash, the work that was complete then, which a job without a log does again. `usualMs`: a stage without a crash.
 */
async function accountOf(
  pool: pg.Pool,
  runId: string,
): Promise<{ lostMs: number[]; savedMs: number; usualMs: number }> {
  const { rows } = await pool.query<{ took: number; crashes: number; later: number }>(
    `with done as (
       select s.seq as begun, c.seq as ended, extract(epoch from c.at - s.at)::float8 * 1000 as took
       from reprise.events s join reprise.events c on c.run_id = s.run_id and c.answers = s.seq
       where s.run_id = $1 and s.type = 20 and c.type = 24),
     crash as (select seq from reprise.events where run_id = $1 and type = 10)
     select took, (select count(*) from crash where seq between begun and ended)::int as crashes,
       (select count(*) from crash where seq > ended)::int as later
     from done order by begun`,
    [runId],
  );
  const usualMs = median(rows.filter((row) => row.crashes === 0).map(({ took }) => took));
  return {
    usualMs,
    lostMs: rows.filter((row) => row.crashes > 0).map(({ took }) => took - usualMs),
    savedMs: sum(rows.map(({ took, later }) => Math.min(took, usualMs) * later)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
