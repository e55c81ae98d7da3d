// PATCH_ONLY reads from the client, in a session that cannot write: points, differences, blame, timelines, and chains of
// runs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, Connection, type WorkflowHandle } from 'reprise/client';
import { testEngine, until } from '../support/engine.ts';

const engine = await testEngine();
let connection: Connection | undefined;
before(async () => {
  connection = await Connection.connect({
    connectionString: `${engine.url}?options=-c%20default_transaction_read_only%3Don`,
  });
});
after(() => connection?.close());

/** A handle whose session refuses every write. */
function reader(workflowId: string, runId?: string): WorkflowHandle {
  assert.ok(connection !== undefined);
  return new Client({ connection }).workflow.getHandle(workflowId, runId);
}

test('the session of these tests refuses writes', async () => {
  await assert.rejects(
    new Client({ connection: connection! }).workflow.start('greet', { workflowId: 'w', taskQueue: 'x' }),
    {
      code: '25006',
    },
  );
});

describe('one run', () => {
  let handle: WorkflowHandle;
  before(async () => {
    await (await engine.start('tallyAll', [5, 1], 'tally')).result();
    handle = reader('tally');
  });

  test('a state is found by seq, by time, by step, by event and by activity id', async () => {
    const history = await handle.history();
    const patches = await handle.patches({ path: '/items/2' });
    const last = patches.at(-1)!;
    const expected = await handle.stateAt({ seq: last.seq });
    assert.equal((expected.state as { done: number }).done, 3);
    assert.deepEqual(await handle.stateAt({ time: last.at }), expected);
    assert.deepEqual(await handle.stateAt({ time: last.at.toISOString() }), expected);
    // Before the fourth activity is scheduled, three items are done; its turn wrote the patch of item 2.
    const fourth = history.filter((event) => event.type === 'ActivityScheduled')[3]!;
    for (const event of ['record#4', 'ActivityScheduled#4', '4']) {
      const found = await handle.stateAt({ event });
      assert.deepEqual(found, await handle.stateAt({ seq: fourth.seq }), event);
    }
    assert.deepEqual(await handle.stateAt({ time: 'now' }), await handle.stateAt());
    assert.equal((await handle.stateAt({ time: '1 year ago' })).state, undefined);
    assert.equal((await handle.stateAt({ seq: 0 })).state, undefined);
  });

  test('a point that is not there, or that is two points, is refused by its code', async () => {
    await assert.rejects(handle.stateAt({ event: 'record#6' }), {
      code: 'STEP_NOT_FOUND',
      message: /no step "record#6"/,
    });
    await assert.rejects(handle.stateAt({ checkpoint: 'half' }), { code: 'CHECKPOINT_NOT_FOUND' });
    await assert.rejects(handle.stateAt({ seq: 1, event: 'record#1' }), {
      code: 'INVALID_INPUT',
      message: /takes seq or event/,
    });
    await assert.rejects(handle.stateAt({ time: 'yesterday' }), { code: 'INVALID_INPUT', message: /"5 min ago"/ });
    await assert.rejects(handle.blame('items'), { code: 'INVALID_INPUT' });
    await assert.rejects(handle.timeline('/items/*'), { code: 'INVALID_INPUT', message: /follows one path/ });
  });

  test('a difference holds what changed between two points, with the old values', async () => {
    const { from, to, ops } = await handle.diff({ event: 'record#2' }, { event: 'record#4' });
    assert.ok(from.seq < to.seq);
    assert.deepEqual(
      ops.map((op) => [op.op, op.path, op.prev]),
      [
        ['add', '/items/1', undefined],
        ['add', '/items/2', undefined],
        ['replace', '/done', 1],
      ],
    );
    assert.deepEqual((await handle.diff({ seq: 2 }, { seq: 2 })).ops, []);
  });

  test('blame names the patch that wrote each value, now and at a point', async () => {
    const blame = await handle.blame('/items/*');
    assert.deepEqual(
      blame.map(({ path, source, sourceId, reason }) => [path, source, sourceId, reason]),
      [0, 1, 2, 3, 4].map((i) => [`/items/${i}`, 'tool', 'record', `item ${i}`]),
    );
    const [done] = await handle.blame('/done', { event: 'record#3' });
    assert.deepEqual(
      [done?.value, done?.prev, done?.reason, done?.runId],
      [2, 1, 'item 1', (await handle.describe()).runId],
    );
    assert.deepEqual(await handle.blame('/nowhere'), []);
  });

  test('a timeline holds each value that a path had', async () => {
    const times = await handle.timeline('/done');
    assert.deepEqual(
      times.map(({ value, reason }) => [value, reason]),
      [[0, null], ...[1, 2, 3, 4, 5].map((value) => [value, `item ${value - 1}`])],
    );
    assert.deepEqual(
      (await handle.timeline('/items/3')).map(({ reason }) => reason),
      ['item 3'],
    );
  });

  test('patches are filtered by a pattern and by times', async () => {
    const all = await handle.patches({ path: '/items/*' });
    const third = (await handle.patches({ path: '/items/2' })).at(-1)!;
    const early = await handle.patches({ path: '/items/*', until: third.at });
    const late = await handle.patches({ path: '/items/*', since: third.at.toISOString() });
    assert.ok(early.length < all.length && late.length < all.length);
    assert.equal(early.at(-1)?.seq, third.seq);
    assert.ok(late.some(({ seq }) => seq === third.seq));
    assert.deepEqual(await handle.patches({ since: new Date(Date.now() + 60_000) }), []);
  });
});

describe('a chain of runs', () => {
  let runs: string[] = [];
  before(async () => {
    const { client, taskQueue } = engine;
    const handle = await client.workflow.start('countOn', { workflowId: 'chain', taskQueue, args: [1] });
    for (let i = 1; i <= 2; i++) {
      await handle.signal('add', i);
      await until(
        async () =>
          (await client.workflow.getHandle('chain').describe()).runId !== runs.at(-1) &&
          (await handle.query('total')) === (i * (i + 1)) / 2,
      );
    }
    await handle.signal('finish');
    await handle.result();
    const { rows } = await engine.pool.query<{ run_id: string }>(
      "select run_id from reprise.runs where workflow_id = 'chain' order by run_id",
    );
    runs = rows.map((row) => row.run_id);
  });

  test('patches, blame and timeline follow the document back through the runs that carried it on', async () => {
    const handle = reader('chain');
    assert.equal(runs.length, 3);
    const patches = await handle.patches();
    assert.deepEqual([...new Set(patches.map(({ runId }) => runId))], runs);
    const blame = await handle.blame('/runs');
    assert.deepEqual(
      blame.map(({ value, runId }) => [value, runId]),
      runs.map((id) => [id, id]),
    );
    assert.deepEqual(
      (await handle.timeline('/sum')).map(({ value, runId }) => [value, runId]),
      [
        [0, runs[0]],
        [1, runs[0]],
        [3, runs[1]],
      ],
    );
  });

  test('a step belongs to the run of the handle, and the error of a missing one says so', async () => {
    const event = 'WorkflowContinuedAsNew#1';
    assert.equal((await reader('chain', runs[0]).stateAt({ event })).runId, runs[0]);
    await assert.rejects(reader('chain').stateAt({ event }), {
      code: 'STEP_NOT_FOUND',
      message: /use a handle for that run/,
    });
  });

  test('without the chain, or for one run, only that run is read', async () => {
    const handle = reader('chain');
    const own = await handle.patches({ chain: false });
    assert.deepEqual([...new Set(own.map(({ runId }) => runId))], [runs[2]]);
    const blame = await handle.blame('/runs', { chain: false });
    assert.deepEqual([...new Set(blame.map(({ runId }) => runId))], [runs[2]]);
    const first = reader('chain', runs[0]);
    assert.deepEqual([...new Set((await first.patches()).map(({ runId }) => runId))], [runs[0]]);
  });

  test('a time before the last run began lies in an earlier run', async () => {
    const handle = reader('chain');
    const [firstPatch] = await reader('chain', runs[0]).patches();
    const then = await handle.stateAt({ time: firstPatch!.at });
    assert.equal(then.runId, runs[0]);
    assert.equal((await handle.stateAt({ time: firstPatch!.at, chain: false })).state, undefined);
    const { ops } = await handle.diff({ time: firstPatch!.at });
    assert.ok(ops.some(({ path }) => path === '/runs/2'));
  });
});
