// Starts of runs: a workflow id has at most one open run, whether it is started alone, in a batch, or inside a user's
// transaction.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { newRunId } from '../../runtime/store/runs/run-id.ts';
import { getRun } from '../../runtime/store/runs/runs.ts';
import type { Queryable } from '../../runtime/store/sql/queryable.ts';
import { type NewRun, startRuns, startRunWithin } from '../../runtime/store/runs/start-run.ts';
import {
  closingTurn,
  historyOf,
  incarnation,
  newRun,
  readyRow,
  startedRun,
  testStore,
  waits,
} from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

function start(...runs: NewRun[]): Promise<Set<string>> {
  return startRuns(pool, 'reprise', runs, 20_000);
}

async function openRuns(workflowId: string): Promise<string[]> {
  const { rows } = await pool.query<{ run_id: string }>(
    'select run_id from reprise.runs where workflow_id = $1 and closed_at is null',
    [workflowId],
  );
  return rows.map((row) => row.run_id);
}

/** The number of rows of a run in each of the three tables that a start writes to. */
async function rowsOf({ runId }: NewRun): Promise<number[]> {
  const { rows } = await pool.query<{ counts: number[] }>(
    `select array[(select count(*) from reprise.runs where run_id = $1), (select count(*) from reprise.ready where run_id = $1),
       (select count(*) from reprise.events where run_id = $1)]::int[] as counts`,
    [runId],
  );
  return rows[0]!.counts;
}

test('a start writes the run, its first event and its ready row with the same time', async () => {
  const run = newRun({
    workflowType: 'ordeŕ',
    properties: '{"memo":{"note":"ä"}}',
    args: new Uint8Array([0x91, 0x07]),
    meta: '{"seed": "x",  "b":1}',
  });
  assert.deepEqual(await start(run), new Set([run.runId]));
  const events = await historyOf(store, run.runId);
  assert.equal(events.length, 1);
  const first = events[0]!;
  assert.deepEqual(
    [first.seq, first.type, first.name, first.payload, first.meta, first.hash],
    [1, 'WorkflowStarted', 'ordeŕ', run.args, run.meta, null],
  );
  const row = await getRun(database, run.runId);
  assert.deepEqual(
    [row?.status, row?.workflow_type, row?.task_queue, row?.memo, row?.closed_at],
    ['running', 'ordeŕ', 'test', { note: 'ä' }, null],
  );
  const { rows } = await pool.query(
    `select r.started_at = d.wake_at and d.wake_at = e.at as same from reprise.runs r
     join reprise.ready d using (run_id) join reprise.events e using (run_id) where run_id = $1`,
    [run.runId],
  );
  assert.deepEqual(rows, [{ same: true }]);
});

test('of two runs with one workflow id in a batch, the first is started', async () => {
  const [one, two, other] = [newRun({ workflowId: 'twice' }), newRun({ workflowId: 'twice' }), newRun()];
  assert.deepEqual(await start(one, two, other), new Set([one.runId, other.runId]));
  assert.deepEqual(await rowsOf(two), [0, 0, 0]);
});

test('a start with the workflow id of an open run starts nothing, and the rest of the batch starts', async () => {
  const [open, again, other] = [newRun({ workflowId: 'open' }), newRun({ workflowId: 'open' }), newRun()];
  await start(open);
  assert.deepEqual(await start(again, other), new Set([other.runId]));
  assert.deepEqual(await rowsOf(again), [0, 0, 0]);
  assert.deepEqual(await openRuns('open'), [open.runId]);
});

test('a workflow id may have an open run in each of two namespaces', async () => {
  const [here, there] = [newRun({ workflowId: 'both' }), newRun({ workflowId: 'both', namespace: 'there' })];
  assert.equal((await start(here, there)).size, 2);
});

test('a workflow id can be used again once its run is closed', async (t) => {
  const worker = await incarnation(store, t);
  const first = await startedRun(store, { workflowId: 'again', owner: worker });
  await worker.writer.append([closingTurn(first, 0)]);
  const second = newRun({ workflowId: 'again' });
  assert.deepEqual(await start(second), new Set([second.runId]));
  assert.deepEqual(await openRuns('again'), [second.runId]);
});

test('a start waits for the concurrent close of the previous run and then succeeds', async (t) => {
  const worker = await incarnation(store, t);
  const first = await startedRun(store, { workflowId: 'beside', owner: worker });
  await worker.writer.client.query('begin');
  await worker.writer.append([closingTurn(first, 0)]);
  const second = start(newRun({ workflowId: 'beside' }));
  await waits(store, second);
  await worker.writer.client.query('commit');
  assert.equal((await second).size, 1);
});

test('of two concurrent starts the second waits, and starts nothing if the first commits', async (t) => {
  const [one, two] = [newRun({ workflowId: 'race' }), newRun({ workflowId: 'race' })];
  const user = await store.session(t);
  await user.query('begin');
  await startRuns(user, 'reprise', [one]);
  const second = start(two);
  await waits(store, second);
  await user.query('commit');
  assert.equal((await second).size, 0);
  assert.deepEqual(await openRuns('race'), [one.runId]);
});

test('batches with the same workflow ids in opposite order do not deadlock', async (t) => {
  const blocker = await store.session(t);
  await blocker.query('begin');
  await startRuns(blocker, 'reprise', [newRun({ workflowId: 'deadlock b' })]);
  const batch = (order: string): NewRun[] => [...order].map((letter) => newRun({ workflowId: `deadlock ${letter}` }));
  const one = start(...batch('abc'));
  await waits(store, one);
  const two = start(...batch('cba'));
  await waits(store, two, 2);
  await blocker.query('rollback');
  assert.deepEqual([(await one).size + (await two).size], [3]);
});

const inTransaction: readonly [string, (work: (transaction: Queryable) => Promise<void>) => Promise<void>][] = [
  [
    'a pg client',
    async (work) => {
      const client = new pg.Client({ connectionString: store.url });
      await client.connect();
      await client.query('begin');
      try {
        await work(client);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        await client.end();
      }
    },
  ],
  [
    'a client of a pg pool',
    async (work) => {
      const users = new pg.Pool({ connectionString: store.url, max: 1 });
      const client = await users.connect();
      await client.query('begin');
      try {
        await work(client);
        const { rows } = await client.query("select name from pg_prepared_statements where name like 'reprise%'");
        assert.deepEqual(rows, [], 'a statement with a name would outlive the transaction of a user');
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        client.release();
        await users.end();
      }
    },
  ],
  [
    'a Kysely transaction',
    async (work) => {
      const kysely = new Kysely<unknown>({
        dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: store.url, max: 1 }) }),
      });
      try {
        await kysely
          .transaction()
          .execute((trx) => work({ query: (text, values) => trx.executeQuery(CompiledQuery.raw(text, values)) }));
      } finally {
        await kysely.destroy();
      }
    },
  ],
];

for (const [kind, transaction] of inTransaction) {
  test(`a start inside the transaction of ${kind} appears with its commit`, async () => {
    const run = newRun();
    await transaction(async (client) => {
      assert.equal(await startRunWithin(client, 'reprise', run), true);
      assert.deepEqual(await rowsOf(run), [0, 0, 0]);
    });
    assert.deepEqual(await rowsOf(run), [1, 1, 1]);
  });

  test(`a start inside the transaction of ${kind} disappears with its rollback`, async () => {
    const run = newRun({ workflowId: `rolled back by ${kind}` });
    const failing = transaction(async (client) => {
      await startRunWithin(client, 'reprise', run);
      throw new Error('the user thinks better of it');
    });
    await assert.rejects(failing, /thinks better/);
    assert.deepEqual(await rowsOf(run), [0, 0, 0]);
    assert.equal((await start(newRun({ workflowId: run.workflowId }))).size, 1);
  });
}

test('a refused start inside a transaction leaves the transaction usable', async (t) => {
  await start(newRun({ workflowId: 'taken' }));
  const user = await store.session(t);
  await user.query('begin');
  assert.equal((await startRuns(user, 'reprise', [newRun({ workflowId: 'taken' })])).size, 0);
  const run = newRun();
  assert.equal((await startRuns(user, 'reprise', [run])).size, 1);
  await user.query('commit');
  assert.equal((await readyRow(store, run.runId))?.mail, 0);
});

test('run ids are UUIDs of version 7 that sort by time', () => {
  const ids = [1, 1_000, 1_700_000_000_000, 2 ** 47].map((ms) => newRunId(ms));
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(Array.from({ length: 2_000 }, () => newRunId(5))).size, 2_000);
  assert.equal(Number.parseInt(newRunId(1_700_000_000_000).replaceAll('-', '').slice(0, 12), 16), 1_700_000_000_000);
});
