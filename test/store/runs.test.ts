// Reads that find, list and describe runs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import type { NewEvent } from '../../runtime/core/log/event.ts';
import { terminateUnowned } from '../../runtime/store/runs/close-run.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { newRunId } from '../../runtime/store/runs/run-id.ts';
import { listRuns, type PageEnd } from '../../runtime/store/visibility/list-runs.ts';
import { findRun, getRun, type OpenState, readOpenState, readOutcomes } from '../../runtime/store/runs/runs.ts';
import { startRuns } from '../../runtime/store/runs/start-run.ts';
import { type Incarnation, incarnation, newRun, startedRun, startedRuns, testStore, turn } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

async function openState(runId: string): Promise<OpenState> {
  return readOpenState(database, (await getRun(database, runId))!);
}

async function appended(worker: Incarnation, runId: string, ...newEvents: NewEvent[]): Promise<void> {
  await worker.writer.append([turn({ runId, newEvents })]);
}

test('a workflow id refers to its latest run', async () => {
  const first = newRun({ workflowId: 'twice', runId: newRunId(1_000) });
  const second = newRun({ workflowId: 'twice', runId: newRunId(2_000) });
  await startRuns(pool, 'reprise', [first]);
  await terminateUnowned(database, first.runId, null);
  await startRuns(pool, 'reprise', [second]);
  assert.equal((await findRun(database, 'default', 'twice'))?.run_id, second.runId);
  assert.equal((await getRun(database, first.runId))?.status, 'terminated');
  assert.equal(await findRun(database, 'other', 'twice'), undefined);
  assert.equal(await getRun(database, newRunId()), undefined);
});

test('pages list each run once, newest first', async () => {
  const namespace = 'pages';
  const ids = Array.from({ length: 7 }, (_, i) => newRunId(1_000_000 + i));
  await startRuns(
    pool,
    'reprise',
    ids.map((runId) => newRun({ runId, namespace })),
  );
  const found: string[] = [];
  for (let after: PageEnd | undefined; ; ) {
    const page = await listRuns(database, namespace, '', { limit: 3, ...(after === undefined ? {} : { after }) });
    found.push(...page.rows.map((run) => run.run_id));
    after = page.end;
    if (after === undefined) break;
  }
  assert.deepEqual(found, ids.toReversed());
});

test('outcomes exist only for closed runs', async () => {
  const [open, closed] = await startedRuns(store, 2);
  await terminateUnowned(database, closed!, 'x');
  assert.deepEqual([...(await readOutcomes(database, [open!, closed!, newRunId()])).keys()], [closed]);
});

test('the description of a waiting run has its length, owner, mail and pollers', async (t) => {
  const worker = await incarnation(store, t, { queue: 'lonely/test' });
  const runId = await startedRun(store, { namespace: 'lonely', queue: 'lonely/test' });
  await send(pool, 'reprise', runId, { type: 'SignalReceived', name: 'go' });
  const before = await openState(runId);
  assert.deepEqual([before.historyLength, before.owner, before.unreadMail, before.pollers], [1, null, 1, 1]);
  await pool.query("update reprise.leases set expires_at = now() - interval '1 s' where epoch = $1", [worker.epoch]);
  await pool.query('update reprise.ready set owner = $2 where run_id = $1', [runId, worker.epoch]);
  const after = await openState(runId);
  assert.deepEqual([after.owner, after.pollers], [worker.epoch, 0]);
});

test('pending activities are those without a final outcome, with their failures', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await appended(
    worker,
    runId,
    newEvent(0, 'ActivityScheduled', { name: 'done' }),
    newEvent(0, 'ActivityScheduled', { name: 'failing' }),
    newEvent(0, 'ActivityScheduled', { name: 'fresh' }),
    newEvent(0, 'ActivityCompleted', { answers: 2 }),
    newEvent(0, 'ActivityAttemptFailed', { answers: 3, attempt: 1, reason: 'first' }),
    newEvent(0, 'ActivityAttemptFailed', { answers: 3, attempt: 2, reason: 'second' }),
  );
  const [failing, fresh] = (await openState(runId)).pendingActivities;
  const none = { unknownEffect: false, skippable: false };
  const { nextAttemptTime, ...rest } = failing!;
  assert.deepEqual(rest, { seq: 3, activityId: '3', type: 'failing', attempt: 3, lastFailure: 'second', ...none });
  assert.ok(nextAttemptTime instanceof Date);
  assert.deepEqual(fresh, { seq: 4, activityId: '4', type: 'fresh', attempt: 1, lastFailure: null, ...none });
});

test('the effect of an attempt is unknown if it has begun, has no outcome in the log and no worker runs it', async (t) => {
  const worker = await incarnation(store, t);
  const [lost, retrying] = await startedRuns(store, 2);
  const begun = (attempt: number) => newEvent(0, 'ActivityAttemptStarted', { answers: 2, attempt });
  const failed = (attempt: number) => newEvent(0, 'ActivityAttemptFailed', { answers: 2, attempt, reason: 'r' });
  const scheduled = newEvent(0, 'ActivityScheduled', { name: 'unsafe' });
  await appended(worker, lost!, scheduled, begun(1), failed(1), begun(2));
  await appended(worker, retrying!, scheduled, begun(1), failed(1));
  const unknown = async (runId: string) =>
    (await openState(runId)).pendingActivities.map((activity) => activity.unknownEffect);
  assert.deepEqual([await unknown(lost!), await unknown(retrying!)], [[true], [false]]);
  await pool.query('update reprise.ready set owner = $2 where run_id = $1', [lost, worker.epoch]);
  assert.deepEqual(await unknown(lost!), [false]);
});

test('a failed workflow task is shown until it succeeds', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await appended(
    worker,
    runId,
    newEvent(0, 'WorkflowTaskFailed', { name: 'DETERMINISM', attempt: 2, reason: 'because' }),
  );
  const { taskFailure } = await openState(runId);
  assert.deepEqual([taskFailure?.code, taskFailure?.message, taskFailure?.attempt], ['DETERMINISM', 'because', 2]);
  await worker.writer.append([turn({ runId, after: 2, newEvents: ['WorkflowTaskCompleted'] })]);
  assert.equal((await openState(runId)).taskFailure, undefined);
});
