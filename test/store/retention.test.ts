// Retention: which runs and checkpoints leave, which stay whatever their age, who may prune, and what stays of a run.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { retentionRules } from '../../runtime/core/recovery/retention.ts';
import { writeCheckpoint } from '../../runtime/store/checkpoints/checkpoints.ts';
import { newRunId } from '../../runtime/store/runs/run-id.ts';
import { holdRun } from '../../runtime/store/retention/holds.ts';
import { pruneRun } from '../../runtime/store/retention/prune.ts';
import { closingTurn, eventCount, incarnation, startedRun, testStore, waits } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;
const connection = await Connection.connect({ connectionString: store.url });
after(() => connection.close());
const { system } = new Client({ connection });
const folder = await mkdtemp(join(tmpdir(), 'reprise-prune-'));
after(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  for (const table of [
    'events',
    'runs',
    'ready',
    'checkpoints',
    'run_holds',
    'pruned_runs',
    'system_checkpoints',
    'outbox',
  ]) {
    await pool.query(`delete from reprise.${table}`);
  }
});

let made = 0;

/** A run that closed `daysAgo` days ago. Its id is later than all earlier ones, as the id of a fork is. */
async function closedRun(
  daysAgo: number,
  columns: { status?: string; forkedFrom?: string; continuedFrom?: string } = {},
): Promise<string> {
  const { status = 'completed', forkedFrom, continuedFrom } = columns;
  const runId = newRunId(Date.now() + made++);
  await pool.query(
    `insert into reprise.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at, closed_at, forked_from, start_run_id, forked_seq, final_seq)
     select $1::uuid, 'default', 'w ' || $1::uuid, 'demo', 'test', $2, at, at, $4::uuid, $4::uuid, case when $4::uuid is not null then 1 end, 2
     from (select clock_timestamp() - $3::float8 * interval '1 day' as at) a`,
    [runId, status, daysAgo, forkedFrom ?? null],
  );
  await pool.query(
    `insert into reprise.events (run_id, at, seq, type, payload, meta) select $1, clock_timestamp(), i, i, '\\xff', $2::json from generate_series(1, 2) i`,
    [runId, JSON.stringify(continuedFrom === undefined ? {} : { continuedFrom })],
  );
  return runId;
}

async function checkpoint(runId: string, seq: number, { pinned = false, daysAgo = 0 } = {}): Promise<void> {
  await writeCheckpoint(database, {
    ...{ runId, seq, contextSeq: seq, logHash: new Uint8Array(32), name: undefined, trigger: 'automatic', pinned },
    ...{ state: new Uint8Array([1, 2, 3]), bytes: 3, progress: undefined, patches: 1, worker: undefined },
  });
  await pool.query(
    "update reprise.checkpoints set at = clock_timestamp() - $3::float8 * interval '1 day' where run_id = $1 and seq = $2",
    [runId, seq, daysAgo],
  );
}

async function keptRuns(): Promise<string[]> {
  const { rows } = await pool.query<{ run_id: string }>('select run_id from reprise.runs order by run_id');
  return rows.map((row) => row.run_id);
}

async function keptCheckpoints(runId: string): Promise<number[]> {
  const { rows } = await pool.query<{ seq: number }>(
    'select seq from reprise.checkpoints where run_id = $1 order by seq',
    [runId],
  );
  return rows.map((row) => row.seq);
}

test('closed runs leave as a whole when they are old enough, failed ones later, open ones never', async () => {
  const old = await closedRun(91);
  const recent = await closedRun(89);
  const failed = await closedRun(364, { status: 'failed' });
  const oldFailed = await closedRun(366, { status: 'timed_out' });
  const open = await startedRun(store);
  await checkpoint(old, 2);
  const counted = await system.prune({ dryRun: true });
  assert.deepEqual([counted.dryRun, counted.runs.runs, counted.runs.events], [true, 2, 4]);
  assert.equal((await keptRuns()).length, 5);
  const pruned = await system.prune();
  assert.deepEqual(pruned.runs, counted.runs);
  assert.deepEqual(await keptRuns(), [recent, failed, open].sort());
  assert.deepEqual(
    [await eventCount(store, old), await eventCount(store, oldFailed), await eventCount(store, failed)],
    [0, 0, 2],
  );
  assert.deepEqual(await keptCheckpoints(old), []);
  const { rows } = await pool.query(
    'select run_id, status, final_seq, archive from reprise.pruned_runs order by run_id',
  );
  assert.deepEqual(rows, [
    { run_id: old, status: 'completed', final_seq: 2, archive: null },
    { run_id: oldFailed, status: 'timed_out', final_seq: 2, archive: null },
  ]);
});

test('a held run, the earlier runs of its chain, and all origins of a kept run stay', async () => {
  const first = await closedRun(500);
  const held = await closedRun(400, { continuedFrom: first });
  const origin = await closedRun(400);
  const middle = await closedRun(300, { forkedFrom: origin });
  const fork = await closedRun(10, { forkedFrom: middle });
  await holdRun(database, held, { reason: 'a lawsuit', actor: 'ann' });
  assert.equal((await system.prune({ dryRun: true })).runs.runs, 0);
  assert.equal((await system.prune()).runs.runs, 0);
  assert.deepEqual(await keptRuns(), [first, held, origin, middle, fork].sort());
});

test('an origin leaves together with the last of its forks', async () => {
  const origin = await closedRun(400);
  await closedRun(300, { forkedFrom: await closedRun(350, { forkedFrom: origin }) });
  assert.equal((await system.prune({ dryRun: true })).runs.runs, 3);
  assert.equal((await system.prune()).runs.runs, 3);
  assert.deepEqual(await keptRuns(), []);
});

test('a run that is forked or held while its row is being deleted stays', async (t) => {
  const rules = retentionRules({});
  const forked = await closedRun(400);
  const session = await store.session(t);
  await session.query('begin');
  await session.query('select from reprise.runs where run_id = $1 for key share', [forked]);
  await session.query(
    `insert into reprise.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at, forked_from, start_run_id, forked_seq)
     values ($1, 'default', 'fork', 'demo', 'test', 'running', now(), $2, $2, 1)`,
    [newRunId(), forked],
  );
  const pruning = pruneRun(database, forked, rules, undefined);
  await waits(store, pruning);
  await session.query('commit');
  assert.equal(await pruning, undefined);
  assert.equal(await eventCount(store, forked), 2);
});

test('checkpoints go beyond the number that is kept, and by age; pinned ones and the newest stay', async () => {
  const completed = await closedRun(1);
  const failed = await closedRun(1, { status: 'failed' });
  const open = await startedRun(store);
  for (let seq = 1; seq <= 12; seq++) {
    await checkpoint(completed, seq, { pinned: seq === 2 });
    await checkpoint(failed, seq);
    await checkpoint(open, seq, { daysAgo: 40 });
  }
  const counted = await system.prune({ dryRun: true });
  assert.deepEqual(counted.checkpoints, { rows: 8 + 2 + 11, bytes: 3 * 21 });
  assert.deepEqual((await system.prune()).checkpoints, counted.checkpoints);
  assert.deepEqual(await keptCheckpoints(completed), [2, 10, 11, 12]);
  assert.deepEqual(await keptCheckpoints(failed), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(await keptCheckpoints(open), [12]);
  await system.prune({ checkpoints: { keepCompleted: 0 } });
  assert.deepEqual(await keptCheckpoints(completed), [2]);
});

test('an archive holds the whole log of a run before the run leaves', async () => {
  const runId = await closedRun(100);
  await system.prune({ events: { archive: join(folder, 'archive') } });
  const lines = gunzipSync(await readFile(join(folder, 'archive', `${runId}.jsonl.gz`)))
    .toString()
    .trim()
    .split('\n');
  const [head, ...events] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual([head?.['format'], (head?.['run'] as { run_id: string }).run_id], ['reprise-archive-1', runId]);
  assert.deepEqual(
    events.map(({ seq, payload }) => [seq, payload]),
    [
      [1, '/w=='],
      [2, '/w=='],
    ],
  );
  const { rows } = await pool.query<{ archive: string }>('select archive from reprise.pruned_runs');
  assert.deepEqual(rows, [{ archive: `${runId}.jsonl.gz` }]);
});

test('prune refuses an archive path that is a file or cannot be created, and names the path', async () => {
  const file = join(folder, 'a file');
  await writeFile(file, '');
  for (const archive of [file, join(file, 'below'), '/proc/nope', '/proc/nope/below']) {
    await assert.rejects(system.prune({ events: { archive } }), (error: { code: string; message: string }) => {
      assert.equal(error.code, 'INVALID_INPUT');
      assert.ok(error.message.includes(`folder ${archive} cannot be used`), error.message);
      return true;
    });
  }
});

test('a file that is missing is not reported as a lost database', async () => {
  await assert.rejects(
    connection.reach(() => readFile(join(folder, 'none'))),
    { code: 'ENOENT' },
  );
});

test('the role of the workers may count but not prune; a member of reprise_pruner may', async (t) => {
  const runId = await closedRun(100);
  const as = async (role: string): Promise<Client['system']> => {
    const name = `${role}_${runId.replaceAll('-', '')}`.slice(0, 60);
    await pool.query(`create role ${name} login password 'secret' in role ${role}`);
    const url = new URL(store.url);
    url.username = name;
    url.password = 'secret';
    const own = new pg.Pool({ connectionString: url.href });
    const connected = await Connection.connect({ pool: own });
    t.after(async () => {
      await connected.close();
      await own.end();
      await pool.query(`drop role ${name}`);
    });
    return new Client({ connection: connected }).system;
  };
  const worker = await as('reprise_worker');
  assert.equal((await worker.prune({ dryRun: true })).runs.runs, 1);
  await assert.rejects(worker.prune(), { code: 'PRUNE_NOT_ALLOWED', message: /grant reprise_pruner to/ });
  assert.equal(await eventCount(store, runId), 2);
  const pruner = await as('reprise_pruner');
  assert.equal((await pruner.prune({ events: { archive: join(folder, 'other') } })).runs.runs, 1);
  assert.deepEqual(await keptRuns(), []);
});

test('wrong options are refused before anything is read', async () => {
  await assert.rejects(system.prune({ events: { completedDays: -1 } }), {
    code: 'INVALID_INPUT',
    message: /events\.completedDays/,
  });
  for (const bad of [{ events: { completedDays: 1e20 } }, { events: { failedDays: 365_001 } }]) {
    await assert.rejects(system.prune(bad), { code: 'INVALID_INPUT', message: /a number of days from 0 to 365000/ });
  }
  for (const bad of [{ checkpoints: { keepFailed: 2 ** 31 } }, { system: { keep: 1e20 } }]) {
    await assert.rejects(system.prune(bad), { code: 'INVALID_INPUT', message: /a whole number from 0 to 2147483647/ });
  }
  const most = { completedDays: 365_000, failedDays: 365_000 };
  const limits = { keepCompleted: 2_147_483_647, keepFailed: 2_147_483_647, maxAgeDays: 365_000 };
  await system.prune({ events: most, checkpoints: limits, system: { keep: 2_147_483_647 } });
  const misspelt: object = { checkpoint: {} };
  await assert.rejects(system.prune(misspelt), { code: 'INVALID_INPUT', message: /Did you mean checkpoints/ });
});

test('a system checkpoint is one row with the head of every open run, and is found damaged when a log lost its head', async (t) => {
  const worker = await incarnation(store, t);
  const open = await startedRun(store);
  const closing = await startedRun(store, { owner: worker });
  const made = await system.createCheckpoint('before the release');
  assert.equal(made.runs, 2);
  await assert.rejects(system.createCheckpoint('before the release'), { code: 'CHECKPOINT_EXISTS' });
  await worker.writer.append([closingTurn(closing, 0)]);
  const later = await startedRun(store);
  const report = await system.validateCheckpoint(made.id);
  assert.deepEqual([report.ok, report.moved, report.pruned, report.damaged], [true, 1, [], []]);
  await pool.query('delete from reprise.events where run_id = any($1)', [[open, later]]);
  const damaged = await system.validateCheckpoint('before the release');
  assert.deepEqual([damaged.ok, damaged.damaged], [false, [open]]);
  await assert.rejects(system.validateCheckpoint('none'), { code: 'CHECKPOINT_NOT_FOUND' });
  for (let i = 0; i < 6; i++) await system.createCheckpoint(`c${i}`);
  assert.equal((await system.prune({ dryRun: true })).systemCheckpoints, 2);
  assert.equal((await system.prune()).systemCheckpoints, 2);
  assert.deepEqual(
    (await system.checkpoints()).map(({ name }) => name),
    ['c5', 'c4', 'c3', 'c2', 'c1'],
  );
});
