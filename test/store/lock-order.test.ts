// The lock order in database.ts: the engine's statements never deadlock, whatever their order. In each test, a session
// holds one kind of lock (the gate) until the statements wait.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import {
  type AttemptReport,
  cancelTasks,
  expireTasks,
  freeTasks,
  reportAttempts,
} from '../../runtime/store/activities/activity-outcomes.ts';
import { claimTasks } from '../../runtime/store/activities/activity-tasks.ts';
import type { OfferedTask } from '../../runtime/core/activity/offered-task.ts';
import { offerTasks } from '../../runtime/store/activities/task-offers.ts';
import { send, sendAlone } from '../../runtime/store/messages/inbox.ts';
import { sendFromRun } from '../../runtime/store/messages/run-messages.ts';
import { claim, park } from '../../runtime/store/ownership/claim.ts';
import { declareDead, sweepDead } from '../../runtime/store/ownership/lease.ts';
import { endOverdue, terminateUnowned } from '../../runtime/store/runs/close-run.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import { sqlstate, sqlstateOf } from '../../runtime/store/sql/sqlstate.ts';
import {
  closingTurn,
  incarnation,
  type Scope,
  startedRuns,
  type TestStore,
  testStore,
  turn,
} from '../support/store.ts';

/** A store whose Postgres detects a deadlock long before a statement gives up on a row. */
async function impatientStore(t: Scope): Promise<TestStore> {
  const given = await testStore(t);
  await given.pool.query(
    `do $$ begin execute format('alter database %I set deadlock_timeout = ''5ms''', current_database()); end $$`,
  );
  const database = await Database.open({ connectionString: given.url });
  t.after(() => database.close());
  return { ...given, database };
}

const gates: readonly (readonly [string, string])[] = [
  ['a fence', 'select 1 from reprise.fences for update'],
  ['the rows of runs', 'select 1 from reprise.runs for update'],
  ['tasks', 'select 1 from reprise.activity_tasks for update'],
  ['messages', 'select 1 from reprise.inbox for update'],
  ['a ready row', 'select 1 from reprise.ready order by run_id limit 1 for update'],
];

const message = { type: 'SignalReceived', name: 'go' } as const;
const now = (): number => Date.now() * 1000;

/** The engine's statements on runs, their tasks and mail. Covers runs of one owner in both orders, and runs without an owner. */
async function meeting(store: TestStore, t: Scope): Promise<(() => Promise<unknown>)[]> {
  const { database, pool } = store;
  const owner = await incarnation(store, t, { writers: 3 });
  const worker = await incarnation(store, t, { queue: 'default/tools' });
  const heir = await incarnation(store, t);
  const [low, high] = (await startedRuns(store, 2, { owner })) as [string, string];
  const [free, other] = (await startedRuns(store, 2, { queue: 'default/free' })) as [string, string];
  const scheduled = newEvent(0, 'ActivityScheduled', {
    name: 'tool',
    meta: '{"id":"1"}',
    payload: new Uint8Array([0x90]),
  });
  const [first, second, third] = owner.writers;
  await first!.append([low, high].map((runId) => turn({ runId, newEvents: [scheduled, scheduled] })));
  const task = (runId: string, seq: number): OfferedTask => ({
    ...{ runId, seq, queue: 'default/tools', type: 'tool', attempt: 1, dueAt: now(), startBy: null, closeBy: null },
    ...{ scheduleToStartMs: null, startToCloseMs: 1, heartbeatMs: null },
  });
  await offerTasks(database, owner, [task(low, 2), task(high, 2)]);
  const tools = { queue: 'default/tools', types: { names: ['tool'], any: false }, now: now(), limit: 10 };
  await claimTasks(worker.control, 'reprise', worker, tools);
  for (const runId of [low, high, free]) await send(pool, 'reprise', runId, message);
  const report = (runId: string): AttemptReport => ({
    ...{ runId, seq: 2, attempt: 1, type: 'ActivityCompleted', payload: null, reason: null },
    meta: '{"seq":2,"attempt":1}',
  });
  const parked = (runId: string) => ({ runKey: runIdBytes(runId), mail: 0, wakeAt: now() });
  const sender = (runId: string) => ({ runId, namespace: 'default' });
  const to = (runId: string) => ({
    ...({ seq: 9, kind: 'signal', name: 'go', meta: { runId } } as const),
    workflowId: `workflow ${runId}`,
  });
  const due = { queue: 'default/free', now: now() + 1_000_000, from: 0, limit: 10 };
  return [
    () => first!.append([closingTurn(high, 1, [1])]),
    () => second!.append([turn({ runId: low, after: 3, consumed: [1] })]),
    () => third!.append([closingTurn(low, 1), closingTurn(high, 1)]),
    () => offerTasks(database, owner, [task(high, 3), task(low, 3)]),
    () => park(owner.control, 'reprise', owner, [parked(high), parked(low)]),
    () => reportAttempts(database, worker, [report(high), report(low)]),
    () => cancelTasks(database, low, [3, 2]),
    () => expireTasks(database, { now: now() + 60_000_000, limit: 10 }),
    () => freeTasks(database, worker.epoch),
    () => claimTasks(worker.control, 'reprise', worker, tools),
    () => sendAlone(database, low, message),
    () => sendAlone(database, high, message),
    () => sendFromRun(database, owner.epoch, sender(low), to(high), null),
    () => sendFromRun(database, owner.epoch, sender(high), to(low), null),
    () => claim(heir.control, 'reprise', heir, due),
    () => terminateUnowned(database, free, null),
    () => terminateUnowned(database, other, null),
    () => endOverdue(database),
    () => declareDead(database, owner.epoch, 'test'),
    () => sweepDead(database),
  ];
}

/** Numbers from 0 to 1, determined by a seed. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed >>> 0; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

const roundsPerGate = 2;

for (const [name, gate] of gates) {
  test(`no two statements deadlock while somebody holds ${name}`, async (t) => {
    const store = await impatientStore(t);
    for (let round = 0; round < roundsPerGate; round++) {
      const seed = Date.now() + round;
      const numbers = random(seed);
      const work = await meeting(store, t);
      const shuffled = work
        .map((start) => ({ start, at: numbers.next().value }))
        .sort((a, b) => a.at - b.at)
        .map(({ start }) => start);
      const holder = await store.session(t);
      await holder.query('begin');
      await holder.query(gate);
      const all = Promise.allSettled(shuffled.map((start) => start()));
      await someWait(store, all);
      await holder.query('rollback');
      for (const result of await all) {
        if (result.status === 'fulfilled') continue;
        assert.notEqual(sqlstateOf(result.reason), sqlstate.deadlock, `seed ${seed}: ${String(result.reason)}`);
      }
    }
    const { rows } = await store.pool.query<{ n: number }>(
      'select deadlocks::int as n from pg_stat_database where datname = current_database()',
    );
    assert.deepEqual(rows, [{ n: 0 }]);
  });
}

test('the test detects two sessions that lock two rows in opposite orders', async (t) => {
  const store = await impatientStore(t);
  const [low, high] = (await startedRuns(store, 2)) as [string, string];
  const [one, two] = [await store.session(t), await store.session(t)];
  for (const [session, runId] of [[one, low] as const, [two, high] as const]) {
    await session.query('begin');
    await send(session, 'reprise', runId, message);
  }
  const crossed = await Promise.allSettled([send(one, 'reprise', high, message), send(two, 'reprise', low, message)]);
  const failed = crossed.flatMap((result) => (result.status === 'rejected' ? [sqlstateOf(result.reason)] : []));
  assert.deepEqual(failed, [sqlstate.deadlock]);
});

/**
 * Waits until the number of waiting statements is stable, or all have ended. Some statements do not wait for ready
 * rows.
 */
async function someWait(store: TestStore, all: Promise<unknown>): Promise<void> {
  let over = false;
  void all.then(() => (over = true));
  for (let same = 0, before = 0; !over && same < 10; ) {
    const { rows } = await store.pool.query<{ waiting: number }>(
      `select count(*)::int as waiting from pg_stat_activity
       where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`,
    );
    const { waiting } = rows[0]!;
    same = waiting > 0 && waiting === before ? same + 1 : 0;
    before = waiting;
  }
}
