// Rows that somebody has damaged: the statements and batches that they share with others serve the others all the same.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { activityInfo } from 'reprise/activity';
import { Client, Connection, type WorkflowHandle } from 'reprise/client';
import { Worker } from 'reprise/worker';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { testDatabase } from '../support/database.ts';
import { fixtureWorker, quiet, until } from '../support/engine.ts';
import * as activities from '../support/fixtures/activities.ts';

const { url, pool } = await testDatabase();
const connection = await Connection.connect({ connectionString: url });
const { workflow } = new Client({ connection });
const running: { worker: Worker; ended: Promise<void> }[] = [];
const executions = new Map<string, number>();
const counted = {
  ...activities,
  slow: async (ms: number): Promise<unknown> => {
    const key = activityInfo().idempotencyKey;
    executions.set(key, (executions.get(key) ?? 0) + 1);
    return activities.slow(ms);
  },
};

function run(worker: Worker): void {
  running.push({ worker, ended: worker.run() });
}

after(async () => {
  for (const { worker } of running) worker.shutdown();
  await Promise.all(running.map(({ ended }) => ended));
  await connection.close();
});

function callsRemote(taskQueue: string, workflowId: string, options: object): Promise<WorkflowHandle> {
  const call = ['slow', [20], { taskQueue: `${taskQueue}-remote`, ...options }];
  return workflow.start('callRemote', { workflowId, taskQueue, args: call });
}

const tasks = async (): Promise<number> => (await pool.query('select from reprise.activity_tasks')).rowCount ?? 0;
/** A message to this run overflows its mail counter. */
const overflow = (runId: string | undefined): Promise<unknown> =>
  pool.query('update reprise.ready set mail = 2147483647 where run_id = $1', [runId]);
const heal = (runId: string | undefined): Promise<unknown> =>
  pool.query('update reprise.ready set mail = 0 where run_id = $1', [runId]);

it('timeouts of other runs are sent although one run cannot take its message', async () => {
  run(await fixtureWorker(connection, 'timeouts', { logger: quiet }));
  const options = { scheduleToStartTimeout: 1_000, retry: { maximumAttempts: 1 } };
  const [sick, ...others] = await Promise.all(['a', 'b', 'c'].map((id) => callsRemote('timeouts', id, options)));
  await until(async () => (await tasks()) === 3);
  await overflow(sick!.runId);
  for (const { message } of (await Promise.all(others.map((other) => other.result()))) as { message: string }[]) {
    assert.equal(message, 'Activity task timed out');
  }
  await heal(sick!.runId);
  assert.equal(((await sick!.result()) as { message: string }).message, 'Activity task timed out');
});

it('tasks of a dead worker are offered anew although one run cannot take its message', async () => {
  run(await fixtureWorker(connection, 'freed', { logger: quiet }));
  const [sick, ...others] = await Promise.all(['d', 'e', 'f'].map((id) => callsRemote('freed', id, {})));
  await until(async () => (await tasks()) === 3);
  await overflow(sick!.runId);
  await pool.query('update reprise.activity_tasks set worker = 900, due_at = null, started_at = clock_timestamp()');
  run(await Worker.create({ connection, taskQueue: 'freed-remote', activities, logger: quiet }));
  await Promise.all(others.map((other) => other.result()));
  await heal(sick!.runId);
  await sick!.result();
});

it('a task whose options cannot be read ends no worker', async () => {
  run(await fixtureWorker(connection, 'options', { logger: quiet }));
  const sick = await callsRemote('options', 'g', { startToCloseTimeout: 500, retry: { maximumAttempts: 1 } });
  await until(async () => (await tasks()) === 1);
  await pool.query(`update reprise.activity_tasks set options = 'null'`);
  const healthy = await callsRemote('options', 'h', {});
  run(await Worker.create({ connection, taskQueue: 'options-remote', activities, logger: quiet }));
  await healthy.result();
  await sick.result();
});

it('a start at no finite time does not keep others of its queue from being claimed', async () => {
  const sick = await workflow.start('greet', { workflowId: 'i', taskQueue: 'infinite', args: ['x'] });
  await pool.query(`update reprise.events set at = 'infinity' where run_id = $1 and seq = 1`, [sick.runId]);
  const healthy = await workflow.start('greet', { workflowId: 'j', taskQueue: 'infinite', args: ['x'] });
  run(await fixtureWorker(connection, 'infinite', { logger: quiet }));
  assert.equal(await healthy.result(), 'Hello, x!');
});

it('an activity at work is not repeated when the message of another run is gone', async () => {
  run(await fixtureWorker(connection, 'gone', { logger: quiet, activities: counted }));
  const elsewhere = await Connection.connect({ connectionString: url });
  const client = new Client({ connection: elsewhere });
  const sick = await client.workflow.start('accumulate', { workflowId: 'k', taskQueue: 'gone' });
  const healthy = await client.workflow.start('slowStep', { workflowId: 'l', taskQueue: 'gone', args: [2_000] });
  await until(async () => executions.size === 1);
  await until(async () => (await sick.describe()).historyLength > 1);
  // The trigger stands for somebody who deletes the message.
  await pool.query(`create function gone() returns trigger language plpgsql as
    $$ begin return case when old.run_id <> '${sick.runId}' then old end; end $$`);
  await pool.query('create trigger gone before delete on reprise.inbox for each row execute function gone()');
  await pool.query(
    `with r as (update reprise.ready set mail = mail + 1 where run_id = any($1) returning run_id, mail, owner)
     insert into reprise.inbox (run_id, id, owner, type, name, payload) select run_id, mail, owner, 40, 'add', $2 from r`,
    [[sick.runId, healthy.runId], Buffer.from(encodePayload([7]))],
  );
  await healthy.result();
  assert.deepEqual([...executions.values()], [1]);
  await pool.query('drop trigger gone on reprise.inbox');
  await pool.query('delete from reprise.inbox where run_id = $1', [sick.runId]);
  await sick.terminate();
  await elsewhere.close();
});
