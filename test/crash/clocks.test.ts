// Clocks that are wrong or jump. A worker's own clock does not matter. Whatever the database's clock does, time in a
// log never goes back, and timers fire, but not too early.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { testDatabase } from '../support/database.ts';
import { until } from '../support/engine.ts';
import { checkLog, type CrashLab, crashLab, kill, taskQueue } from './crash-lab.ts';

function resultOf(steps: number): string[] {
  return Array.from({ length: steps }, (_, i) => `${i} true true`);
}

const hourMs = 3_600_000;

function start(lab: CrashLab, workflowId: string, steps: number): Promise<WorkflowHandle> {
  return lab.client.workflow.start('timetable', { workflowId, taskQueue, args: [steps] });
}

async function timersFired(handle: WorkflowHandle): Promise<number> {
  return (await handle.history()).filter(({ type }) => type === 'TimerFired').length;
}

async function checkTimes(lab: CrashLab, handle: WorkflowHandle): Promise<void> {
  const history = await handle.history();
  for (const [i, { at, seq }] of history.entries()) {
    assert.ok(i === 0 || at.getTime() >= history[i - 1]!.at.getTime(), `event ${seq} is older than the one before it`);
  }
  for (const { answers, at, type } of history) {
    if (type !== 'TimerFired') continue;
    const { due } = history.find(({ seq }) => seq === answers)!.meta as { due: number };
    assert.ok(at.getTime() >= Math.floor(due / 1000), `timer ${answers} fired at ${at.toISOString()}`);
  }
  await checkLog(lab.pool, handle.runId!);
}

it('workers whose clocks are hours apart write the time of the database', async () => {
  const lab = await crashLab();
  const { rows } = await lab.pool.query<{ now: Date }>('select clock_timestamp() as now');
  const handle = await start(lab, 'apart', 12);
  for (const [kills, clockAheadMs] of [hourMs, -hourMs, 24 * hourMs].entries()) {
    const worker = await lab.worker({ clockAheadMs });
    await until(async () => (await timersFired(handle)) > 3 * kills);
    await kill(worker);
  }
  await lab.worker({ clockAheadMs: -24 * hourMs });
  assert.deepEqual(await handle.result(), resultOf(12));
  await checkTimes(lab, handle);
  for (const { at, seq } of await handle.history()) {
    const offMs = at.getTime() - rows[0]!.now.getTime();
    assert.ok(offMs > -hourMs / 2 && offMs < hourMs / 2, `event ${seq} is written at ${at.toISOString()}`);
  }
});

// Three seconds of timers: a run must not end before the clock has jumped three times.
const jumpSteps = 60;

it('the clock of the database jumps ahead and back: logs stay in order, and timers fire', async () => {
  const database = await testDatabase();
  // From now on, sessions of this database call this function in place of Postgres' clock_timestamp().
  await database.pool.query(`create schema clocks;
    create table clocks.ahead (by interval not null);
    insert into clocks.ahead values ('0');
    create function clocks.clock_timestamp() returns timestamptz language sql
      as 'select pg_catalog.clock_timestamp() + (select by from clocks.ahead)';
    do $$ begin execute format('alter database %I set search_path = clocks, pg_catalog, public', current_database()); end $$`);
  const lab = await crashLab(database);
  await lab.worker();
  await lab.worker();
  const handles = await Promise.all(Array.from({ length: 4 }, (_, i) => start(lab, `jumps ${i}`, jumpSteps)));
  for (const [jumps, ahead] of ['10 minutes', '9 minutes 59 seconds', '20 minutes'].entries()) {
    for (const handle of handles) await until(async () => (await timersFired(handle)) > 2 * jumps);
    await database.pool.query('update clocks.ahead set by = $1', [ahead]);
  }
  for (const handle of handles) {
    assert.deepEqual(await handle.result(), resultOf(jumpSteps));
    await checkTimes(lab, handle);
    const history = await handle.history();
    const spanMs = history.at(-1)!.at.getTime() - history[0]!.at.getTime();
    assert.ok(spanMs > 9 * 60_000, `the log of ${handle.workflowId} spans ${spanMs} ms: the jump is in it`);
  }
});
