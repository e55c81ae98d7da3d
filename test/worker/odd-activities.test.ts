// Activities that throw unreadable errors, report values that cannot be stored, or never return. The worker continues.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testEngine } from '../support/engine.ts';

const engine = await testEngine({ maxConcurrentActivities: 1 });

for (const kind of ['no prototype', 'bad toString', 'symbol message', 'proxy']) {
  it(`an activity that throws an unreadable value fails, and the worker continues: ${kind}`, async () => {
    assert.equal(await (await engine.start('odd', [kind])).result(), 'failed');
  });
}

it('recorded usage of the wrong type does not fail the activity', async () => {
  assert.equal(await (await engine.start('odd', ['bad usage'])).result(), 'used');
});

it('heartbeat details that cannot be stored do not stop the worker', async () => {
  assert.ok(['beaten', 'failed'].includes((await (await engine.start('odd', ['bad heartbeat'])).result()) as string));
});

it('a timed-out activity that never settles frees its slot', async () => {
  assert.equal(await (await engine.start('neverSettles')).result(), 'activity StartToClose timeout');
  assert.equal(await (await engine.start('greet', ['next'])).result(), 'Hello, next!');
});

it('attempts are counted correctly even if the log is slower than the retries', async () => {
  const handle = await engine.start('failingActivity', [7]);
  await engine.until(async () => (await handle.history()).some((event) => event.type === 'ActivityScheduled'));
  const session = await engine.pool.connect();
  await session.query('begin; lock table reprise.events in share mode');
  await new Promise((resolve) => setTimeout(resolve, 300));
  await session.query('rollback');
  session.release();
  assert.equal(await handle.result(), 8);
  const failed = (await handle.history()).filter((event) => event.type === 'ActivityAttemptFailed');
  assert.deepEqual(
    failed.map((event) => event.attempt),
    [1, 2, 3, 4, 5, 6, 7],
  );
});

it('a first turn that cannot be stored fails the workflow task, not the start', async () => {
  await engine.pool.query(
    "alter table reprise.events add constraint refused check (name is distinct from 'refused by the database')",
  );
  const handle = await engine.start('unstorable');
  const failure = await engine.until(async () => (await handle.describe()).taskFailure);
  assert.match(failure.message, /could not be stored/);
  assert.equal((await handle.history())[0]?.type, 'WorkflowStarted');
  await handle.terminate('seen');
});
