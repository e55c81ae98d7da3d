// A pause of a standalone activity at the same time as claims, reports, timeouts and the reaper: whichever comes first,
// no attempt starts while the activity is paused, and each outcome counts once.
import { sha256 } from '../../runtime/store/codec/sha256.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFailure } from '../../runtime/core/failure/failure-info.ts';
import { ApplicationFailure } from '../../runtime/core/failure/failure.ts';
import { expireTasks, freeTasks, reportAttempts } from '../../runtime/store/activities/activity-outcomes.ts';
import {
  beatTask,
  type ClaimedTask,
  claimTasks,
  tasksOfWorker,
} from '../../runtime/store/activities/activity-tasks.ts';
import { beatByClient } from '../../runtime/store/activities/async-completion.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { forsakenStandalone, settleStandalone } from '../../runtime/store/activities/standalone-run.ts';
import { commandActivity } from '../../runtime/store/activities/command-activity.ts';
import type { ActivityCommand } from '../../runtime/core/activity/standalone-command.ts';
import { settle } from '../../runtime/core/activity/standalone-turn.ts';
import {
  gate,
  historyOf,
  type Incarnation,
  incarnation,
  patiently,
  type Scope,
  startedRun,
  testStore,
  waits,
} from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;
const now = (): number => Date.now() * 1000;
let queues = 0;

const pause: ActivityCommand = { type: 'pause', by: 'test' };
const unpause: ActivityCommand = {
  type: 'unpause',
  by: 'test',
  delayMs: 0,
  resetAttempts: false,
  resetHeartbeat: false,
};

interface Bed {
  readonly worker: Incarnation;
  readonly queue: string;
  readonly runId: string;
}

/** A standalone activity with an offered task, and a worker on its queue. */
async function bed(t: Scope, activity: object = {}): Promise<Bed> {
  const taskQueue = `tools ${++queues}`;
  const meta = {
    workflowId: 'x',
    taskQueue,
    namespace: 'default',
    activity: { id: 'x', stc: 60_000, retry: { initial: 1 }, ...activity },
  };
  const worker = await incarnation(store, t, { queue: `default/${taskQueue}` });
  const runId = await startedRun(store, {
    namespace: 'default#activities',
    workflowType: 'tool',
    taskQueue,
    queue: `default#activities/${taskQueue}`,
    meta: JSON.stringify(meta),
  });
  await settleStandalone(database, runId, (state) => settle(state, sha256));
  return { worker, queue: `default/${taskQueue}`, runId };
}

const claim = ({ worker, queue }: Bed, fence = worker): Promise<ClaimedTask[]> =>
  claimTasks(fence.control, 'reprise', fence, {
    queue,
    types: { names: ['tool'], any: false },
    now: now() + 1_000_000,
    limit: 10,
  });

async function report(
  { worker, runId }: Bed,
  type: 'ActivityCompleted' | 'ActivityFailed',
  attempt = 1,
  on = database,
) {
  const payload =
    type === 'ActivityFailed' ? encodeFailure(ApplicationFailure.retryable('no')) : new Uint8Array([0x90]);
  const meta = JSON.stringify({ seq: 2, attempt });
  return (await reportAttempts(on, worker, [{ runId, seq: 2, attempt, type, payload, reason: null, meta }]))!.length;
}

async function row(runId: string): Promise<unknown> {
  const { rows } = await pool.query(
    `select t.attempt, t.paused, t.due_at is not null as due, t.worker is not null as taken, t.deadline is not null as timed,
  r.status from reprise.runs r left join reprise.activity_tasks t using (run_id) where r.run_id = $1`,
    [runId],
  );
  return rows[0];
}

const typesOf = async (runId: string): Promise<string[]> =>
  (await historyOf(store, runId)).slice(1).map(({ type }) => type);

/** Stops a pause just before its commit, when it has locked all rows that it changes. */
async function holding(t: Scope, { runId }: Bed): Promise<() => Promise<void>> {
  const session = await store.session(t);
  await session.query('begin');
  await session.query('select 1 from reprise.runs where run_id = $1 for update', [runId]);
  return async () => void (await session.query('commit'));
}

test('a pause waits for a claim in flight, and finds its attempt running', async (t) => {
  const given = await bed(t);
  const { control } = given.worker;
  await control.query('begin');
  assert.equal((await claim(given)).length, 1);
  const pausing = patiently(() => commandActivity(database, given.runId, pause));
  await waits(store, pausing);
  await control.query('commit');
  assert.notEqual((await pausing)?.paused, undefined);
  assert.deepEqual(await row(given.runId), {
    ...{ attempt: 1, paused: true, due: false, taken: true, timed: true },
    status: 'running',
  });
  assert.equal((await tasksOfWorker(database, given.worker.epoch)).get(`${given.runId}:2:1`)?.state, 'paused');
  const task = { runId: given.runId, seq: 2, attempt: 1 };
  assert.equal(
    await beatTask(database, given.worker.epoch, task, { now: now(), details: new Uint8Array([0xc0]) }),
    'paused',
  );
  assert.equal(await report(given, 'ActivityCompleted'), 1);
  await settleStandalone(database, given.runId, (state) => settle(state, sha256));
  assert.deepEqual(await typesOf(given.runId), [
    'ActivityScheduled',
    'ActivityPaused',
    'ActivityCompleted',
    'WorkflowCompleted',
  ]);
});

test('a claim takes nothing from a paused activity, before and after the pause commits', async (t) => {
  const given = await bed(t);
  // The pause waits before it writes the run's status, and already holds the locks of the ready row and the task.
  const status = await gate(store, 'update on reprise.runs');
  t.after(async () => void (await pool.query('drop function gated cascade; drop table gate')));
  const pausing = commandActivity(database, given.runId, pause);
  await status.entered();
  assert.deepEqual(await claim(given), []);
  await status.open();
  await pausing;
  assert.deepEqual(await claim(given), []);
  assert.deepEqual(await row(given.runId), {
    ...{ attempt: 1, paused: true, due: false, taken: false, timed: false },
    status: 'paused',
  });
  await commandActivity(database, given.runId, unpause);
  assert.equal((await claim(given)).length, 1);
});

test('a failure reported before a pause is processed before it, and the next attempt waits', async (t) => {
  const given = await bed(t);
  await claim(given);
  const session = await store.session(t);
  await session.query('begin');
  const other = { ...database, pool: session, schema: 'reprise' } as unknown as typeof database;
  assert.equal(await report(given, 'ActivityFailed', 1, other), 1);
  const pausing = patiently(() => commandActivity(database, given.runId, pause));
  await waits(store, pausing);
  await session.query('commit');
  await pausing;
  assert.deepEqual(await typesOf(given.runId), ['ActivityScheduled', 'ActivityAttemptFailed', 'ActivityPaused']);
  assert.deepEqual(await row(given.runId), {
    ...{ attempt: 2, paused: true, due: false, taken: false, timed: false },
    status: 'paused',
  });
  assert.deepEqual(await claim(given), []);
});

test('a failure that is reported during a pause is processed after it, and no attempt follows', async (t) => {
  const given = await bed(t, { s2c: 3_600_000 });
  await claim(given);
  const session = await store.session(t);
  await session.query('begin');
  await session.query('select 1 from reprise.activity_tasks where run_id = $1 for update', [given.runId]);
  const pausing = patiently(() => commandActivity(database, given.runId, pause));
  await waits(store, pausing);
  // The pause holds the run's row lock, so the worker must report again.
  assert.equal(await report(given, 'ActivityFailed'), 0);
  await session.query('commit');
  await pausing;
  assert.equal(await report(given, 'ActivityFailed'), 1);
  await settleStandalone(database, given.runId, (state) => settle(state, sha256));
  assert.deepEqual(await typesOf(given.runId), ['ActivityScheduled', 'ActivityPaused', 'ActivityAttemptFailed']);
  assert.deepEqual(await row(given.runId), {
    ...{ attempt: 2, paused: true, due: false, taken: false, timed: true },
    status: 'paused',
  });
  assert.deepEqual(await claim(given), []);
});

test('a paused activity whose worker is lost starts again only after it is unpaused', async (t) => {
  const given = await bed(t);
  await claim(given);
  await commandActivity(database, given.runId, pause);
  await freeTasks(database, given.worker.epoch);
  assert.deepEqual(await claim(given), []);
  await settleStandalone(database, given.runId, (state) => settle(state, sha256));
  assert.deepEqual(await row(given.runId), {
    ...{ attempt: 2, paused: true, due: false, taken: false, timed: false },
    status: 'paused',
  });
  await commandActivity(database, given.runId, unpause);
  assert.equal((await claim(given))[0]?.attempt, 2);
  const types = ['ActivityScheduled', 'ActivityPaused', 'WorkerLost', 'ActivityUnpaused'];
  assert.deepEqual(await typesOf(given.runId), types);
});

test('a running attempt of a paused activity times out, and no attempt follows', async (t) => {
  const given = await bed(t, { stc: 1 });
  await claim(given);
  await commandActivity(database, given.runId, pause);
  const expired = await expireTasks(database, { now: now() + 7_200_000_000, limit: 10 });
  assert.ok(expired.some(({ runId }) => runId === given.runId));
  await settleStandalone(database, given.runId, (state) => settle(state, sha256));
  assert.deepEqual(await claim(given), []);
  // A heartbeat by a client would give the paused activity a timeout, so it is ignored.
  assert.equal(
    await beatByClient(database, { runId: given.runId, seq: 2, attempt: undefined }, new Uint8Array([0xc0])),
    'paused',
  );
  assert.deepEqual(await row(given.runId), {
    ...{ attempt: 2, paused: true, due: false, taken: false, timed: false },
    status: 'paused',
  });
});

test('two concurrent pauses count as one, and an earlier cancellation refuses both', async (t) => {
  const given = await bed(t);
  const release = await holding(t, given);
  const first = patiently(() => commandActivity(database, given.runId, pause));
  await waits(store, first);
  const second = patiently(() => commandActivity(database, given.runId, pause));
  await waits(store, second, 2);
  await release();
  await Promise.all([first, second]);
  assert.deepEqual(await typesOf(given.runId), ['ActivityScheduled', 'ActivityPaused']);
  const cancelled = await bed(t);
  await claim(cancelled);
  await send(pool, 'reprise', cancelled.runId, { type: 'WorkflowCancelRequested' });
  await assert.rejects(commandActivity(database, cancelled.runId, pause), { code: 'ILLEGAL_STATE' });
  assert.deepEqual((await typesOf(cancelled.runId)).slice(1), ['WorkflowCancelRequested', 'ActivityCancelRequested']);
});

test('changed options apply to a running attempt, its timeouts and the next attempt', async (t) => {
  const given = await bed(t);
  await claim(given);
  const changes = { stc: 5_000, s2c: 3_600_000, hb: 1_000, queue: 'elsewhere' };
  await commandActivity(database, given.runId, { type: 'update', by: 'test', changes });
  const { rows } = await pool.query(
    `select queue, start_to_close::text as stc, heartbeat::text as hb, deadline = started_at + interval '1 second' as next,
  options->>'stc' as told from reprise.activity_tasks where run_id = $1`,
    [given.runId],
  );
  assert.deepEqual(rows, [{ queue: 'default/elsewhere', stc: '00:00:05', hb: '00:00:01', next: true, told: '5000' }]);
  assert.equal(await report(given, 'ActivityFailed'), 1);
  await settleStandalone(database, given.runId, (state) => settle(state, sha256));
  assert.deepEqual(await claim(given), []);
  const [next] = await claim({ ...given, queue: 'default/elsewhere' });
  assert.equal((JSON.parse(next!.meta) as { stc: number }).stc, 5_000);
  const where = await pool.query(
    'select queue, task_queue from reprise.ready join reprise.runs using (run_id) where run_id = $1',
    [given.runId],
  );
  assert.deepEqual(where.rows, [{ queue: 'default#activities/elsewhere', task_queue: 'elsewhere' }]);
});

test('workers of other queues find an outcome that waits in a queue without workers', async (t) => {
  const given = await bed(t);
  const unknown = await startedRun(store, { namespace: 'default#activities', queue: 'default#activities/nobody' });
  await claim(given);
  await commandActivity(database, given.runId, { type: 'update', by: 'test', changes: { queue: 'nobody' } });
  const isFound = async (runId: string, since: number): Promise<boolean> =>
    (await forsakenStandalone(database, { since, limit: 10 })).includes(runId);
  assert.equal(await report(given, 'ActivityCompleted'), 1);
  assert.equal(await isFound(given.runId, now() - 10_000_000), false);
  assert.equal(await isFound(given.runId, now() + 1_000_000), true);
  // An activity without ActivityScheduled in its log waits for workers of its own queue.
  assert.equal(await isFound(unknown, now() + 1_000_000), false);
  await settleStandalone(database, given.runId, (state) => settle(state, sha256));
  assert.equal(await isFound(given.runId, now() + 1_000_000), false);
});
