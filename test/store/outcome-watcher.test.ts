// Waits for the closing of runs and for answers. This process, a notice or polling reports them, even if a notice or
// the listening session is lost.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { terminateUnowned } from '../../runtime/store/runs/close-run.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import { OutcomeWatcher } from '../../runtime/store/runs/outcome-watcher.ts';
import { answer, ask } from '../../runtime/store/messages/requests.ts';
import { until } from '../support/engine.ts';
import { closingTurn, incarnation, type Scope, startedRun, startedRuns, testStore } from '../support/store.ts';

const store = await testStore();
const { pool } = store;

/** A watcher with a separate Database, as another process would have. */
async function watching(t: Scope): Promise<{ watcher: OutcomeWatcher; own: Database }> {
  const own = await Database.open({ connectionString: store.url });
  const watcher = new OutcomeWatcher(own);
  t.after(async () => {
    await watcher.close();
    await own.close();
  });
  return { watcher, own };
}

/** Ends the listening sessions of all watchers. */
async function cutListeners(): Promise<number> {
  const { rowCount } = await pool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'reprise client'",
  );
  return rowCount ?? 0;
}

const terminated = (reason: string) => ({ type: 'WorkflowTerminated', payload: null, reason });

test('a run that has already closed is found', async (t) => {
  const { watcher } = await watching(t);
  const runId = await startedRun(store);
  await terminateUnowned(store.database, runId, 'before');
  assert.deepEqual(await watcher.outcome(runId), terminated('before'));
});

test('a run that another process closes is reported', async (t) => {
  const { watcher } = await watching(t);
  const [first, second] = await startedRuns(store, 2);
  const waiting = [watcher.outcome(first!), watcher.outcome(second!), watcher.outcome(first!)];
  await terminateUnowned(store.database, first!, 'one');
  await terminateUnowned(store.database, second!, 'two');
  assert.deepEqual(await Promise.all(waiting), [terminated('one'), terminated('two'), terminated('one')]);
});

test('a worker of the same process reports a close without the database', async (t) => {
  const { watcher, own } = await watching(t);
  const runId = await startedRun(store);
  const waiting = watcher.outcome(runId);
  const outcome = { type: 'WorkflowCompleted', payload: new Uint8Array([1]), reason: null };
  own.local.emit('closed', runId, outcome);
  assert.equal(await waiting, outcome);
});

test('a run that closes without a notice is found by polling', async (t) => {
  const { watcher } = await watching(t);
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const waiting = watcher.outcome(runId);
  await worker.writer.append([closingTurn(runId, 0)]);
  assert.equal((await waiting).type, 'WorkflowCompleted');
});

test('the loss of the listening session does not lose the outcome, and later waits listen again', async (t) => {
  const { watcher } = await watching(t);
  const [first, second] = await startedRuns(store, 2);
  const waiting = watcher.outcome(first!);
  while ((await cutListeners()) === 0) await new Promise((resolve) => setImmediate(resolve));
  await terminateUnowned(store.database, first!, 'lost');
  assert.deepEqual(await waiting, terminated('lost'));
  const again = watcher.outcome(second!);
  await terminateUnowned(store.database, second!, 'again');
  assert.deepEqual(await again, terminated('again'));
});

test('a watcher has one listening session however often it is lost, and none after close', async (t) => {
  const { watcher } = await watching(t);
  const runIds = await startedRuns(store, 5);
  for (const runId of runIds) {
    const waiting = watcher.outcome(runId);
    await cutListeners();
    await terminateUnowned(store.database, runId, 'lost');
    assert.deepEqual(await waiting, terminated('lost'));
  }
  await watcher.close();
  await until(async () => (await cutListeners()) === 0);
});

test('closing the watcher ends every wait', async () => {
  const own = await Database.open({ connectionString: store.url });
  const watcher = new OutcomeWatcher(own);
  const runIds = await startedRuns(store, 2);
  const waiting = Promise.allSettled(runIds.map((runId) => watcher.outcome(runId)));
  await watcher.close();
  assert.deepEqual(
    (await waiting).map((result) => result.status),
    ['rejected', 'rejected'],
  );
  await own.close();
});

test('an answer is returned when it arrives', async (t) => {
  const { watcher } = await watching(t);
  const id = randomUUID();
  await ask(store.database, {
    id,
    runId: await startedRun(store),
    queue: 'q',
    name: 'n',
    args: new Uint8Array(),
    timeoutMs: 60_000,
  });
  const waiting = watcher.answer(id, 60_000, () => false);
  await answer(store.database, id, { payload: new Uint8Array([5]), problem: 'failed' });
  assert.deepEqual(await waiting, { payload: Buffer.from([5]), problem: 'failed' });
});

test('if no answer arrives in time, the result is undefined', async (t) => {
  const { watcher } = await watching(t);
  assert.equal(await watcher.answer(randomUUID(), 1, () => false), undefined);
});
