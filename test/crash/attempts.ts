// Checks invariants 3 and 4 in the database: when an attempt starts, one statement records whether its
// ActivityScheduled and its completion are committed. The checks use neither times nor the number of activities in
// flight.
import assert from 'node:assert/strict';
import pg from 'pg';
import { type ActivityFunction, activityInfo } from 'reprise/activity';
import { eventCode } from '../../runtime/core/log/event.ts';

export async function createAttempts(pool: pg.Pool): Promise<void> {
  await pool.query(`create table if not exists attempts (run_id uuid, seq int, attempt int, epoch int,
    local bool, alive bool, scheduled bool, completed bool)`);
}

/**
 * `alive`: nobody has declared the incarnation dead. A dead incarnation may not know that yet, but cannot write to the
 * log.
 */
const recordBegin = `insert into attempts select $1, $2, $3, $4, $5,
  exists (select from reprise.workers where epoch = $4 and dead_at is null),
  exists (select from reprise.events where run_id = $1 and seq = $2 and type = ${eventCode.ActivityScheduled}),
  exists (select from reprise.events where run_id = $1 and answers = $2
    and type in (${eventCode.ActivityCompleted}, ${eventCode.ActivityFailed}))`;

/** Wraps activities so that each attempt first records its start, on connections that the worker does not use. */
export function recordingBegins(
  activities: object,
  database: { readonly url: string; epoch(): number | undefined },
): Record<string, ActivityFunction> {
  const pool = new pg.Pool({ connectionString: database.url, max: 4, allowExitOnIdle: true });
  pool.on('error', (error) => console.error(`attempts are recorded again after: ${error.message}`));
  const record = async (): Promise<void> => {
    const { idempotencyKey, attempt, isLocal } = activityInfo();
    const [runId, seq] = idempotencyKey.split(':');
    const epoch = database.epoch();
    try {
      await pool.query(recordBegin, [runId, Number(seq), attempt, epoch ?? null, isLocal]);
    } catch (error) {
      // Postgres has crashed, so this attempt cannot be compared with the log.
      console.error(`an attempt is not recorded: ${String(error)}`);
    }
  };
  const entries = Object.entries(activities).filter(([, value]) => typeof value === 'function');
  return Object.fromEntries(
    entries.map(([name, activity]: [string, ActivityFunction]) => [
      name,
      new Proxy(activity, {
        async apply(target, self, args) {
          await record();
          return Reflect.apply(target, self, args) as unknown;
        },
      }),
    ]),
  );
}

/** No attempt of the run started before its ActivityScheduled was durable, or after its completion was committed. */
export async function checkAttempts(pool: pg.Pool, runId: string): Promise<void> {
  const { rows } = await pool.query(
    'select * from attempts where run_id = $1 and (not (scheduled or local) or (completed and alive))',
    [runId],
  );
  assert.deepEqual(rows, [], 'an attempt begins after its ActivityScheduled is durable, and before its completion is');
}

/** How many attempts of the run have recorded their start. */
export async function recordedAttempts(pool: pg.Pool, runId: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>('select count(*)::int as n from attempts where run_id = $1', [
    runId,
  ]);
  return rows[0]!.n;
}

/** How many attempts a dead incarnation started after another incarnation had completed the activity. */
export async function lateAttempts(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    'select count(*)::int as n from attempts where completed and not alive',
  );
  return rows[0]!.n;
}
