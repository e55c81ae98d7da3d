// The engine number: a run of a newer version is refused with an error that says what to do, and is left to newer
// workers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replayEngineNumber as engineNumber } from '../../runtime/core/log/engine-number.ts';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';

const engine = await testEngine();
const { client, pool } = engine;

async function queryOwner(runId: string): Promise<number | null> {
  const { rows } = await pool.query<{ owner: number | null }>('select owner from reprise.ready where run_id = $1', [
    runId,
  ]);
  return rows[0]!.owner;
}

async function setEngine(runId: string, number: number): Promise<void> {
  await pool.query(
    'update reprise.events set meta = (meta::jsonb || jsonb_build_object($2::text, $3::int))::json where run_id = $1 and seq = 1',
    [runId, 'engine', number],
  );
}

test('a run of a newer engine waits in quarantine, and continues on a worker that supports the engine', async () => {
  const options = { workflowId: 'future', taskQueue: engine.taskQueue, args: ['Ada'] };
  // The start delay keeps the worker away until the run is changed.
  const handle = await client.workflow.start('greet', { ...options, startDelay: '1 hour' });
  await setEngine(handle.runId, engineNumber + 1);
  await pool.query('update reprise.ready set wake_at = now() where run_id = $1', [handle.runId]);
  const description = await until(async () => {
    const described = await handle.describe();
    return described.taskFailure !== undefined && described.owner === undefined && described;
  });
  assert.equal(description.taskFailure?.code, 'UNSUPPORTED_ENGINE');
  assert.match(
    description.taskFailure.message,
    new RegExp(
      `^Workflow future was started by a newer version of reprise: its engine number is ${engineNumber + 1}, ` +
        `but this worker supports at most ${engineNumber}\\..*Upgrade this worker's package`,
    ),
  );
  const events = await handle.history();
  assert.deepEqual(
    events.map((event) => event.type),
    ['WorkflowStarted', 'WorkflowTaskFailed'],
  );
  // A worker that supports the engine claims the run at its next try.
  await setEngine(handle.runId, engineNumber);
  assert.equal(await handle.result(), 'Hello, Ada!');
});

test('unknown events of a newer version stop only their own run', async () => {
  const { connection } = engine;
  const taskQueue = 'newer';
  const worker = await fixtureWorker(connection, taskQueue, { maxCachedRuns: 0 });
  await worker.runUntil(async () => {
    const handle = await client.workflow.start('accumulate', { workflowId: 'unreadable', taskQueue });
    await until(async () => (await handle.describe()).historyLength > 1 && (await queryOwner(handle.runId)) === null);
    const setType = (type: number) =>
      pool.query('update reprise.events set type = $2 where run_id = $1 and seq = 2', [handle.runId, type]);
    const { rows } = await pool.query<{ type: number }>(
      'select type from reprise.events where run_id = $1 and seq = 2',
      [handle.runId],
    );
    await setType(999);
    await handle.signal('add', 1);
    const { epoch } = worker.getStatus();
    for (const name of ['Ada', 'Grace']) {
      const args = [name];
      assert.equal(await client.workflow.execute('greet', { workflowId: name, taskQueue, args }), `Hello, ${name}!`);
    }
    assert.equal(worker.getStatus().epoch, epoch, 'the worker lives');
    await setType(rows[0]!.type);
    await handle.signal('finish');
    assert.equal(await handle.result(), 1);
  });
});

test('queries to a run of a newer engine are refused with the same error', async () => {
  const handle = await client.workflow.start('greet', {
    ...{ workflowId: 'asked', taskQueue: engine.taskQueue, args: ['Ada'] },
  });
  await handle.result();
  await setEngine(handle.runId, 7);
  await assert.rejects(
    handle.query('anything'),
    new RegExp(`its engine number is 7, but this worker supports at most ${engineNumber}`),
  );
});
