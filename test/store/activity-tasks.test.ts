// Activity tasks: the run's owner offers them, one worker claims each task, and one message ends each task, even if
// owner, workers, clients, timeouts and reapers act on it at the same time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import {
  type AttemptReport,
  cancelTasks,
  expireTasks,
  freeTasks,
  reportAttempts,
} from '../../runtime/store/activities/activity-outcomes.ts';
import {
  beatTask,
  type ClaimedTask,
  claimTasks,
  sweepTasks,
  tasksOfWorker,
} from '../../runtime/store/activities/activity-tasks.ts';
import type { OfferedTask } from '../../runtime/core/activity/offered-task.ts';
import { gatherTasks, offerTasks } from '../../runtime/store/activities/task-offers.ts';
import { park } from '../../runtime/store/ownership/claim.ts';
import { readMail, send } from '../../runtime/store/messages/inbox.ts';
import { declareDead } from '../../runtime/store/ownership/lease.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import {
  type Incarnation,
  inboxOf,
  incarnation,
  readyRow,
  startedRun,
  testStore,
  turn,
  waits,
} from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;
const now = (): number => Date.now() * 1000;
let queues = 0;

interface Bed {
  readonly owner: Incarnation;
  readonly worker: Incarnation;
  readonly queue: string;
  readonly runId: string;
}

/** A run with an owner and with activities in its log from seq 2, and a worker on another queue. */
async function bed(t: { after(fn: () => Promise<void>): void }, activities = 1): Promise<Bed> {
  const queue = `default/tools ${++queues}`;
  const owner = await incarnation(store, t);
  const worker = await incarnation(store, t, { queue });
  const runId = await startedRun(store, { owner });
  const newEvents = Array.from({ length: activities }, () =>
    newEvent(0, 'ActivityScheduled', { name: 'tool', meta: '{"id":"1","stc":1000}', payload: new Uint8Array([0x90]) }),
  );
  await owner.writer.append([turn({ runId, newEvents })]);
  return { owner, worker, queue, runId };
}

function offered({ runId, queue }: Bed, columns: Partial<OfferedTask> = {}): OfferedTask {
  const timeouts = { startBy: null, closeBy: null, scheduleToStartMs: null, startToCloseMs: 60_000, heartbeatMs: null };
  return { runId, seq: 2, queue, type: 'tool', attempt: 1, dueAt: now(), ...timeouts, ...columns };
}

async function offer(given: Bed, columns: Partial<OfferedTask> = {}): Promise<void> {
  const owned = await offerTasks(database, given.owner, [offered(given, columns)]);
  assert.deepEqual(owned, new Set([given.runId]));
}

function claim(
  { worker, queue }: Bed,
  options: { types?: string[]; client?: pg.Client; limit?: number; fence?: Incarnation } = {},
): Promise<ClaimedTask[]> {
  const { client = worker.control, types = ['tool'], limit = 10, fence = worker } = options;
  return claimTasks(client, 'reprise', fence, { queue, types: { names: types, any: false }, now: now() + 1000, limit });
}

function completed(runId: string, columns: Partial<AttemptReport> = {}): AttemptReport {
  const meta = JSON.stringify({ seq: columns.seq ?? 2, attempt: columns.attempt ?? 1 });
  const payload = new Uint8Array([1]);
  return { runId, seq: 2, attempt: 1, type: 'ActivityCompleted', payload, reason: null, meta, ...columns };
}

const report = async (worker: Incarnation, reports: AttemptReport[]): Promise<number | undefined> =>
  (await reportAttempts(database, worker, reports))?.length;

async function taskRows(runId: string): Promise<{ seq: number; attempt: number; worker: number | null }[]> {
  const { rows } = await pool.query<{ seq: number; attempt: number; worker: number | null }>(
    'select seq, attempt, worker from reprise.activity_tasks where run_id = $1 order by seq',
    [runId],
  );
  return rows;
}

test('a worker gets a task with its arguments from the log, and its outcome becomes a message', async (t) => {
  const given = await bed(t);
  const { worker, runId, owner } = given;
  await offer(given);
  const [task] = await claim(given);
  assert.deepEqual(
    { runId: task!.runId, seq: task!.seq, type: task!.type, attempt: task!.attempt, meta: JSON.parse(task!.meta) },
    { runId, seq: 2, type: 'tool', attempt: 1, meta: { id: '1', stc: 1000 } },
  );
  assert.deepEqual([...task!.args!], [0x90]);
  assert.deepEqual([task!.workflowId, task!.workflowType], [`workflow ${runId}`.slice(0, 9) + runId, 'demo']);
  assert.deepEqual(
    [...(await tasksOfWorker(database, worker.epoch))],
    [[`${runId}:2:1`, { state: 'running', options: null, closeBy: null }]],
  );
  assert.deepEqual(await reportAttempts(database, worker, [completed(runId)]), [
    { runId, seq: 2, owner: owner.epoch, queue: 'default/test' },
  ]);
  const [mail] = await readMail(database, [{ runId, after: 0 }]);
  assert.deepEqual([mail!.type, mail!.id, mail!.meta], ['ActivityCompleted', 1, '{"seq":2,"attempt":1}']);
  assert.deepEqual(await taskRows(runId), []);
  assert.equal((await readyRow(store, runId))!.mail, 1);
});

test('an outcome is committed once', async (t) => {
  const given = await bed(t);
  await offer(given);
  await claim(given);
  assert.equal(await report(given.worker, [completed(given.runId)]), 1);
  assert.equal(await report(given.worker, [completed(given.runId)]), 0);
  assert.deepEqual(await inboxOf(store, given.runId), [1]);
});

test('a freed attempt cannot complete, but the next attempt can', async (t) => {
  const given = await bed(t);
  const { worker, runId } = given;
  await offer(given);
  await claim(given);
  assert.deepEqual(await freeTasks(database, worker.epoch), [given.queue]);
  assert.equal(await report(worker, [completed(runId)]), 0);
  const [again] = await claim(given);
  assert.equal(again!.attempt, 2);
  assert.equal(await report(worker, [completed(runId)]), 0);
  assert.equal(await report(worker, [completed(runId, { attempt: 2 })]), 1);
  const types = (await readMail(database, [{ runId, after: 0 }])).map(({ type }) => type);
  assert.deepEqual(types, ['WorkerLost', 'ActivityCompleted']);
});

test('a report that waits for the fence while its worker is declared dead commits nothing', async (t) => {
  const given = await bed(t);
  const { worker, runId } = given;
  await offer(given);
  await claim(given);
  const reaper = await store.session(t);
  await reaper.query('begin');
  await reaper.query('delete from reprise.fences where epoch = $1', [worker.epoch]);
  const reporting = reportAttempts(database, worker, [completed(runId)]);
  await waits(store, reporting);
  await reaper.query('commit');
  assert.equal(await reporting, undefined);
  assert.deepEqual(await inboxOf(store, runId), []);
  assert.equal((await taskRows(runId)).length, 1);
});

test('a worker that was declared dead claims no task', async (t) => {
  const given = await bed(t);
  await offer(given);
  const reaper = await store.session(t);
  await reaper.query('begin');
  await reaper.query('delete from reprise.fences where epoch = $1', [given.worker.epoch]);
  const claiming = claim(given);
  await waits(store, claiming);
  await reaper.query('commit');
  assert.deepEqual(await claiming, []);
  assert.deepEqual(await taskRows(given.runId), [{ seq: 2, attempt: 1, worker: null }]);
});

test('the reaper frees a task that a worker claimed just before its death', async (t) => {
  const given = await bed(t);
  await offer(given);
  await given.worker.control.query('begin');
  await claim(given);
  const death = declareDead(database, given.worker.epoch, 'test');
  await waits(store, death);
  await given.worker.control.query('commit');
  await death;
  assert.deepEqual(await taskRows(given.runId), [{ seq: 2, attempt: 2, worker: null }]);
});

test('two workers that claim at once share the tasks without waiting', async (t) => {
  const given = await bed(t, 4);
  const other = await incarnation(store, t, { queue: given.queue });
  for (const seq of [2, 3, 4, 5]) await offer(given, { seq });
  await given.worker.control.query('begin');
  const first = await claim(given, { limit: 2 });
  const second = await claim(given, { client: other.control, fence: other });
  await given.worker.control.query('commit');
  assert.deepEqual([first.length, second.length], [2, 2]);
  assert.equal(new Set([...first, ...second].map(({ seq }) => seq)).size, 4);
});

test('only workers that have an activity type claim its tasks, unless no live worker of the queue has it', async (t) => {
  const given = await bed(t, 3);
  await pool.query("update reprise.workers set activity_types = '{tool}' where epoch = $1", [given.worker.epoch]);
  await offer(given, { seq: 2 });
  await offer(given, { seq: 3, type: 'other' });
  await offer(given, { seq: 4, type: 'third', dueAt: now() + 3_600_000_000 });
  const stranger = await incarnation(store, t, { queue: given.queue });
  const types = async (): Promise<string[]> =>
    (await claim(given, { client: stranger.control, fence: stranger, types: ['mine'] })).map(({ type }) => type);
  assert.deepEqual(await types(), ['other']);
  await declareDead(database, given.worker.epoch, 'test');
  assert.deepEqual(await types(), ['tool']);
});

test('several outcomes for one run in one statement get consecutive mail numbers', async (t) => {
  const given = await bed(t, 3);
  for (const seq of [2, 3, 4]) await offer(given, { seq });
  await claim(given);
  const signal = { type: 'SignalReceived', name: 'go' } as const;
  await send(pool, 'reprise', given.runId, signal);
  const reports = [4, 2, 3].map((seq) => completed(given.runId, { seq }));
  assert.equal(await report(given.worker, reports), 3);
  await send(pool, 'reprise', given.runId, signal);
  assert.deepEqual(await inboxOf(store, given.runId), [1, 2, 3, 4, 5]);
  assert.equal((await readyRow(store, given.runId))!.mail, 5);
});

test('a sender that holds a run’s row delays only outcomes of that run', async (t) => {
  const given = await bed(t);
  const free = await startedRun(store, { owner: given.owner });
  await given.owner.writer.append([turn({ runId: free })]);
  await offer(given);
  await offerTasks(database, given.owner, [{ ...offered(given), runId: free }]);
  await claim(given);
  const sender = await store.session(t);
  await sender.query('begin');
  await send(sender, 'reprise', given.runId, { type: 'SignalReceived', name: 'go' });
  const sent = await reportAttempts(database, given.worker, [completed(given.runId), completed(free)]);
  assert.deepEqual(
    sent!.map(({ runId }) => runId),
    [free],
  );
  assert.equal((await taskRows(given.runId)).length, 1);
  await sender.query('commit');
  assert.equal(await report(given.worker, [completed(given.runId)]), 1);
  assert.deepEqual(await inboxOf(store, given.runId), [1, 2]);
});

test('of a timeout and a report at the same time, the first one wins', async (t) => {
  for (const first of ['timeout', 'report']) {
    const given = await bed(t);
    await offer(given, { startToCloseMs: 1 });
    await claim(given);
    const session = await store.session(t);
    const other = { ...database, pool: session, schema: 'reprise' } as unknown as typeof database;
    await session.query('begin');
    const late = { now: now() + 10_000_000, limit: 10 };
    if (first === 'timeout') await expireTasks(other, late);
    else await reportAttempts(other, given.worker, [completed(given.runId)]);
    // The second statement does not wait for the first, because it skips the locked row of the run or of the task.
    const second =
      first === 'timeout'
        ? await reportAttempts(database, given.worker, [completed(given.runId)])
        : await expireTasks(database, late);
    assert.deepEqual(second, []);
    await session.query('commit');
    assert.equal(await report(given.worker, [completed(given.runId)]), 0);
    assert.deepEqual(await expireTasks(database, late), []);
    const mail = await readMail(database, [{ runId: given.runId, after: 0 }]);
    assert.deepEqual(
      mail.map(({ type, name }) => [type, name]),
      [first === 'timeout' ? ['ActivityTimedOut', 'START_TO_CLOSE'] : ['ActivityCompleted', null]],
    );
  }
});

test('each message of a timeout names the timeout, and a heartbeat postpones only the heartbeat timeout', async (t) => {
  const given = await bed(t, 4);
  const at = now();
  // A live worker has the type of the first task but does not claim that task.
  await pool.query("update reprise.workers set activity_types = '{tool,later}' where epoch = $1", [given.worker.epoch]);
  const ofAttempt = { dueAt: at, heartbeatMs: 2_000, startToCloseMs: null };
  await offer(given, { seq: 2, dueAt: at, startBy: at + 1_000_000, type: 'later' });
  await offer(given, { seq: 3, dueAt: at, closeBy: at + 1_000_000 });
  await offer(given, { seq: 4, ...ofAttempt });
  await offer(given, { seq: 5, ...ofAttempt });
  const types = { names: ['tool'], any: false };
  const due = { queue: given.queue, types, now: at, limit: 10 };
  assert.equal((await claimTasks(given.worker.control, 'reprise', given.worker, due)).length, 3);
  const beat = { now: at + 1_500_000, details: new Uint8Array([7]) };
  const task = { runId: given.runId, seq: 5, attempt: 1 };
  assert.equal(await beatTask(database, given.worker.epoch, task, beat), 'running');
  await expireTasks(database, { now: at + 2_500_000, limit: 10 });
  const mail = await readMail(database, [{ runId: given.runId, after: 0 }]);
  assert.deepEqual(
    mail.map(({ name, meta }) => [name, (JSON.parse(meta!) as { seq: number }).seq]),
    [
      ['SCHEDULE_TO_START', 2],
      ['SCHEDULE_TO_CLOSE', 3],
      ['HEARTBEAT', 4],
    ],
  );
  await expireTasks(database, { now: at + 3_600_000, limit: 10 });
  const [last] = await readMail(database, [{ runId: given.runId, after: 3 }]);
  assert.deepEqual([last!.name, [...last!.payload!]], ['HEARTBEAT', [7]]);
});

test('a heartbeat of an ended attempt stores nothing', async (t) => {
  const given = await bed(t);
  await offer(given);
  await claim(given);
  await freeTasks(database, given.worker.epoch);
  const task = { runId: given.runId, seq: 2, attempt: 1 };
  const beat = { now: now(), details: new Uint8Array([7]) };
  assert.equal(await beatTask(database, given.worker.epoch, task, beat), 'gone');
  const { rows } = await pool.query('select 1 from reprise.activity_heartbeats where run_id = $1', [given.runId]);
  assert.deepEqual(rows, []);
});

test('cancelling ends a waiting task and marks a claimed one', async (t) => {
  const waiting = await bed(t);
  await offer(waiting);
  const ended = await cancelTasks(database, waiting.runId, [2]);
  assert.deepEqual([ended!.sent.length, ended!.marked], [1, []]);
  const [mail] = await readMail(database, [{ runId: waiting.runId, after: 0 }]);
  assert.equal(mail!.type, 'ActivityCancelled');

  const taken = await bed(t);
  await offer(taken);
  await taken.worker.control.query('begin');
  await claim(taken);
  const cancelling = cancelTasks(database, taken.runId, [2]);
  await waits(store, cancelling);
  await taken.worker.control.query('commit');
  const { sent, marked } = (await cancelling)!;
  assert.deepEqual([sent, marked], [[], [{ runId: taken.runId, seq: 2, worker: taken.worker.epoch }]]);
  const beat = { now: now(), details: new Uint8Array([7]) };
  const task = { runId: taken.runId, seq: 2, attempt: 1 };
  assert.equal(await beatTask(database, taken.worker.epoch, task, beat), 'cancel_requested');
  // After a cancel request, a task whose worker has died is not offered again.
  await freeTasks(database, taken.worker.epoch);
  assert.deepEqual(await taskRows(taken.runId), []);
});

test('the former owner of a released run cannot offer its tasks', async (t) => {
  const given = await bed(t);
  const parked = { runKey: runIdBytes(given.runId), mail: 0, wakeAt: now() };
  await given.owner.control.query('begin');
  await park(given.owner.control, 'reprise', given.owner, [parked]);
  assert.deepEqual(await offerTasks(database, given.owner, [offered(given)]), new Set());
  await given.owner.control.query('commit');
  assert.deepEqual(await offerTasks(database, given.owner, [offered(given)]), new Set());
  await declareDead(database, given.owner.epoch, 'test');
  assert.equal(await offerTasks(database, given.owner, [offered(given)]), undefined);
  assert.deepEqual(await taskRows(given.runId), []);
});

test('a task is offered once', async (t) => {
  const given = await bed(t);
  await offer(given);
  await claim(given);
  await offer(given);
  assert.deepEqual(await taskRows(given.runId), [{ seq: 2, attempt: 1, worker: given.worker.epoch }]);
});

test('an unsafe attempt that has begun is not offered again when its worker is lost', async (t) => {
  const given = await bed(t);
  await offer(given);
  await claim(given);
  const begins = completed(given.runId, { type: 'ActivityAttemptStarted', payload: null });
  assert.equal(await report(given.worker, [begins]), 1);
  await declareDead(database, given.worker.epoch, 'test');
  assert.deepEqual(await taskRows(given.runId), [{ seq: 2, attempt: 1, worker: given.worker.epoch }]);
  const expired = await expireTasks(database, { now: now() + 3_600_000_000, limit: 100 });
  assert.deepEqual(
    expired.filter(({ runId }) => runId === given.runId),
    [],
  );
});

test('tasks of closed runs are neither claimed nor completed, and are deleted', async (t) => {
  const given = await bed(t, 2);
  await offer(given, { seq: 2 });
  await claim(given);
  await offer(given, { seq: 3 });
  await pool.query('delete from reprise.ready where run_id = $1', [given.runId]);
  assert.deepEqual(await claim(given), []);
  assert.equal(await report(given.worker, [completed(given.runId)]), 0);
  await sweepTasks(database);
  assert.deepEqual(await taskRows(given.runId), []);
});

test('gathering moves the tasks of a version’s runs from the shared queue to the version’s queue', async (t) => {
  const given = await bed(t, 3);
  const { runId, queue } = given;
  const place = async (prefix: string): Promise<unknown> =>
    pool.query('update reprise.ready set queue = $2 where run_id = $1', [runId, `${prefix}default/test`]);
  const places = async (): Promise<string[]> => {
    const { rows } = await pool.query<{ queue: string }>(
      'select queue from reprise.activity_tasks where run_id = $1 order by seq',
      [runId],
    );
    return rows.map((row) => row.queue);
  };
  await place('@shop:1.0/');
  for (const seq of [2, 3]) await offer(given, { seq, queue: `@shop:1.0/${queue}` });
  await offer(given, { seq: 4, queue: `${queue} beside` });
  assert.equal((await claim(given, { limit: 1 })).length, 1);
  for (const prefix of ['@shop:1.1/', '@shop/', '@sho:1.0/']) await gatherTasks(database, queue, [prefix]);
  assert.deepEqual(await places(), [queue, queue, `${queue} beside`]);
  await gatherTasks(database, queue, ['@shop/', '@shop:1.0/']);
  const [own, beside] = [`@shop:1.0/${queue}`, `${queue} beside`];
  assert.deepEqual(await places(), [own, own, beside]);
  await gatherTasks(database, queue, ['@shop:1.0/']);
  assert.deepEqual(await places(), [own, own, beside]);
});
