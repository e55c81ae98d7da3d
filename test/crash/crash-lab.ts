// Shared by crash tests: worker processes that tests kill, a file that counts effects outside the database, and checks
// of logs.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { fixtureBundle } from '../support/bundles.ts';
import { testDatabase } from '../support/database.ts';
import type { FailPoint } from '../../runtime/worker/life/fail-point.ts';
import { eventCode } from '../../runtime/core/log/event.ts';
import { checkAttempts, createAttempts } from './attempts.ts';

export interface WorkerSettings {
  failPoint?: FailPoint;
  hits?: number;
  leaseMs?: number;
  maxCachedRuns?: number;
  build?: { id: string; file: string };
  /** The worker has the activities of `tools` and no workflows. */
  tools?: boolean;
  taskQueue?: string;
  /** Heap limit. The process ends if it needs more memory. */
  heapMb?: number;
  /** How far the process's clock is ahead of the real time. Negative if the clock is behind. */
  clockAheadMs?: number;
}

export interface CrashLab {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly connection: Connection;
  readonly client: Client;
  /** Starts a worker process. Resolves when the process is registered or has already died. */
  worker(settings?: WorkerSettings): Promise<ChildProcess>;
  /** Lines that activities wrote, one for each execution. */
  effects(): Promise<string[]>;
}

export const taskQueue = 'crash';

export async function crashLab(given?: { url: string; pool: pg.Pool }): Promise<CrashLab> {
  const children: ChildProcess[] = [];
  let stop = async (): Promise<void> => undefined;
  after(() => stop());
  const database = given ?? (await testDatabase());
  const folder = await mkdtemp(join(tmpdir(), 'reprise-crash-'));
  const traces = join(folder, 'effects');
  await createAttempts(database.pool);
  const connection = await Connection.connect({ connectionString: database.url });
  stop = async () => {
    await Promise.all(children.map((child) => kill(child)));
    await connection.close();
    await rm(folder, { recursive: true });
  };
  return {
    url: database.url,
    pool: database.pool,
    connection,
    client: new Client({ connection }),
    async worker({ heapMb, ...settings } = {}) {
      const { codePath: workflows } =
        settings.tools === true ? {} : await fixtureBundle(settings.build?.file ?? 'workflows.ts');
      const child = fork(
        new URL('./worker-process.ts', import.meta.url),
        [database.url, JSON.stringify({ taskQueue, ...settings, workflows })],
        {
          stdio: 'inherit',
          env: { ...process.env, TEST_EFFECTS: traces },
          execArgv: ['-C', 'reprise-source', ...(heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`])],
        },
      );
      children.push(child);
      await Promise.race([once(child, 'message'), once(child, 'exit')]);
      return child;
    },
    async effects() {
      const text = await readFile(traces, 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
  };
}

export async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  if (signal === 'SIGKILL') child.kill('SIGCONT');
  await exited;
}

export async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/**
 * Checks invariants 1 to 4 of a run. Its log is dense, completes each activity once, ends with the closing event and
 * has an intact hash chain. No attempt started before its schedule was durable or after its completion was.
 */
export async function checkLog(pool: pg.Pool, runId: string): Promise<void> {
  const { rows } = await pool.query<{ events: number; last: number; twice: string; unscheduled: string }>(
    `with e as (select * from reprise.events where run_id = $1),
     closed as (select answers from e where type in (${eventCode.ActivityCompleted}, ${eventCode.ActivityFailed}, ${eventCode.ActivityTimedOut}, ${eventCode.ActivityCancelled}))
     select count(*)::int as events, max(seq) as last,
       (select count(*) from (select answers from closed group by answers having count(*) > 1) t) as twice,
       (select count(*) from closed c where not exists (select from e s where s.seq = c.answers and s.type = ${eventCode.ActivityScheduled})) as unscheduled
     from e`,
    [runId],
  );
  const row = rows[0]!;
  assert.equal(row.events, row.last, 'seq is dense from 1');
  assert.equal(row.twice, '0', 'no activity is completed twice');
  assert.equal(row.unscheduled, '0', 'every completion answers a schedule');
  const verdict = await pool.query<{ ok: boolean; problem: string | null }>(
    'select ok, problem from reprise_audit.verify($1)',
    [runId],
  );
  assert.deepEqual(verdict.rows, [{ ok: true, problem: null }]);
  await checkAttempts(pool, runId);
}

/** How often each effect happened. */
export function tally(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}
