// Checkpoints are a cache: written behind the run, by the run's strategy, and never trusted without proof. Deleting or
// damaging any of them changes no state.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { WorkflowHandle } from 'reprise/client';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { TailCounter } from '../../runtime/core/recovery/checkpoint-tail.ts';
import { newestValid, writeCheckpoint } from '../../runtime/store/checkpoints/checkpoints.ts';
import { readTail } from '../../runtime/store/checkpoints/read-tail.ts';
import { readHistory, type StoredEvent } from '../../runtime/store/log/history.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine, until } from '../support/engine.ts';

const workflowBundle = loadBundle(await fixtureBundle('checkpointed.ts'));
const engine = await testEngine({ workflowBundle });
const { database } = engine.connection;

interface Row {
  seq: number;
  trigger: string;
  patches: number;
  stored: number;
}

async function rowsOf(runId: string): Promise<Row[]> {
  const { rows } = await engine.pool.query<Row>(
    'select seq, trigger, patches, octet_length(state) as stored from reprise.checkpoints where run_id = $1 order by seq',
    [runId],
  );
  return rows;
}

async function finished(workflowId: string, args: readonly unknown[] = [12, 10]): Promise<WorkflowHandle> {
  const handle = await engine.start('notesDown', args, workflowId);
  await handle.result();
  return handle;
}

async function historyOf(runId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const page of readHistory(database, runId)) events.push(...page);
  return events;
}

describe('strategies', () => {
  test('every n patches gives a checkpoint at the end of a turn, with its count of patches', async () => {
    const { runId } = await finished('every3:a');
    const rows = await until(async () => {
      const found = await rowsOf(runId!);
      return found.length >= 3 && found;
    });
    const events = await historyOf(runId!);
    for (const row of rows) {
      assert.equal(row.trigger, 'patches');
      assert.notEqual(events[row.seq - 1]?.hash, null);
      assert.equal(row.patches, events.filter(({ seq, type }) => type === 'ContextPatched' && seq <= row.seq).length);
    }
  });

  test('a run that idles after its first patch gets its checkpoint as soon as its earlier log is counted', async () => {
    const { runId } = await engine.start('noteOnce', [], 'idle:a');
    const [row] = await until(async () => {
      const found = await rowsOf(runId!);
      return found.length > 0 && found;
    });
    const events = await historyOf(runId!);
    const first = events.find(({ type }) => type === 'ContextPatched')!;
    assert.ok(first.seq > 3, 'the owner begins to count behind the start');
    assert.deepEqual([row?.seq, row?.trigger], [events.length, 'patches']);
    assert.equal(row?.patches, events.filter(({ type }) => type === 'ContextPatched').length);
  });

  test('a function decides, and one that throws takes no checkpoint and harms nothing', async () => {
    const { runId } = await finished('own:a');
    await until(async () => (await rowsOf(runId!)).some(({ trigger }) => trigger === 'function'));
    const broken = await finished('broken:a');
    assert.deepEqual(await rowsOf(broken.runId!), []);
  });

  test('automatic checkpoints take at most a twentieth of the bytes of the patches', async () => {
    const { runId } = await finished('automatic:a', [60, 3_000]);
    const rows = await until(async () => {
      const found = await rowsOf(runId!);
      return found.length > 0 && found;
    });
    const bytes = (await historyOf(runId!)).reduce((sum, { ops }) => sum + (ops?.length ?? 0), 0);
    assert.ok(rows.reduce((sum, { stored }) => sum + stored, 0) * 20 <= bytes);
    assert.ok(rows.every(({ trigger }) => trigger === 'automatic'));
  });

  test('manual, off, and a run without a context write nothing', async () => {
    const ended = [await finished('manual:a', [40, 3_000]), await finished('off:a', [40, 3_000])];
    const plain = await engine.start('sleeps', [], 'plain:a');
    await plain.result();
    for (const { runId } of [...ended, plain]) assert.deepEqual(await rowsOf(runId!), []);
  });

  test('a checkpoint that cannot be written harms no run', async () => {
    await engine.pool.query('alter table reprise.checkpoints rename to checkpoints_away');
    try {
      const handle = await finished('every3:unwritten');
      assert.equal(await handle.result(), 66);
    } finally {
      await engine.pool.query('alter table reprise.checkpoints_away rename to checkpoints');
    }
    assert.equal(
      ((await engine.client.workflow.getHandle('every3:unwritten').stateAt()).state as { sum: number }).sum,
      66,
    );
  });

  test('the database counts a tail as the owner counts it', async () => {
    const { runId } = await finished('manual:counted');
    const events = await historyOf(runId!);
    for (const seq of [7, 16]) {
      await writeCheckpoint(database, {
        ...{ runId: runId!, seq, contextSeq: seq, logHash: new Uint8Array(32), name: undefined, trigger: 'manual' },
        ...{ state: new Uint8Array(seq), bytes: 9, progress: undefined, worker: undefined, pinned: false },
        patches: events.filter((event) => event.type === 'ContextPatched' && event.seq <= seq).length,
      });
    }
    const rows = await rowsOf(runId!);
    for (const upTo of [2, 5, rows[1]!.seq, rows[1]!.seq + 1, events.length]) {
      const last = rows.findLast(({ seq }) => seq <= upTo);
      const counter = new TailCounter(events[(last?.seq ?? 2) - 1]!.at);
      for (const event of events.slice(last?.seq ?? 0, upTo)) counter.add(event);
      counter.measured(last?.stored ?? 0);
      const read = new TailCounter(events[upTo - 1]!.at);
      read.addEarlier(await readTail(database, runId!, upTo));
      assert.deepEqual(read.tail, counter.tail, `up to ${upTo}`);
      assert.equal(read.allPatches, counter.allPatches + (last?.patches ?? 0));
    }
  });
});

describe('damage', () => {
  let handle: WorkflowHandle;
  let runId = '';
  /** The state at each seq, folded without a checkpoint. */
  const truth: string[] = [];

  before(async () => {
    handle = await finished('every3:damaged', [24, 10]);
    runId = handle.runId!;
    await until(async () => (await rowsOf(runId)).length >= 6);
    await engine.pool.query('create table kept as select * from reprise.checkpoints where run_id = $1', [runId]);
    await engine.pool.query('delete from reprise.checkpoints where run_id = $1', [runId]);
    const head = (await historyOf(runId)).length;
    for (let seq = 0; seq <= head; seq++) truth.push(JSON.stringify(await handle.stateAt({ seq })));
  });

  /** Puts back the checkpoints whose seqs are given. */
  async function restore(seqs: readonly number[]): Promise<void> {
    await engine.pool.query('delete from reprise.checkpoints where run_id = $1', [runId]);
    await engine.pool.query('insert into reprise.checkpoints select * from kept where seq = any($1)', [seqs]);
  }

  async function allSeqs(): Promise<number[]> {
    const { rows } = await engine.pool.query<{ seq: number }>('select seq from kept order by seq');
    return rows.map((row) => row.seq);
  }

  test('with all checkpoints the state at every point is the same as with none', async () => {
    await restore(await allSeqs());
    for (const [seq, state] of truth.entries()) assert.equal(JSON.stringify(await handle.stateAt({ seq })), state);
    const { cached } = await newestValid(database, runId, truth.length - 1);
    assert.ok(cached !== undefined && cached.patches > 1, 'the fold began at a checkpoint');
  });

  test('deleting any checkpoints and flipping any byte of the others changes no state at any point', async () => {
    const seqs = await allSeqs();
    const damage = fc.record({
      row: fc.nat({ max: seqs.length - 1 }),
      column: fc.constantFrom('state', 'state_hash', 'log_hash', 'context_seq', 'patches', 'bytes'),
      byte: fc.nat(),
      mask: fc.integer({ min: 1, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(seqs),
        fc.array(damage, { maxLength: 4 }),
        fc.array(fc.nat({ max: truth.length - 1 }), { minLength: 1, maxLength: 6 }),
        async (kept, faults, points) => {
          await restore(kept);
          for (const { row, column, byte, mask } of faults) {
            if (!column.startsWith('state') && column !== 'log_hash') {
              await engine.pool.query(
                `update reprise.checkpoints set ${column} = greatest(0, ${column} - $3) where run_id = $1 and seq = $2`,
                [runId, seqs[row], mask],
              );
              continue;
            }
            await engine.pool.query(
              `update reprise.checkpoints set ${column} = set_byte(${column}, $3 % octet_length(${column}),
               get_byte(${column}, $3 % octet_length(${column})) # $4) where run_id = $1 and seq = $2`,
              [runId, seqs[row], byte % 1_000_000, mask],
            );
          }
          for (const seq of points) {
            const { rejected: _, ...state } = await handle.stateAt({ seq });
            assert.equal(JSON.stringify(state), truth[seq]);
          }
        },
      ),
      { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 60) },
    );
  });

  test('a damaged checkpoint is named, told to listeners, and passed over to the previous one', async () => {
    const seqs = await allSeqs();
    await restore(seqs);
    const newest = seqs.at(-1)!;
    await engine.pool.query(
      'update reprise.checkpoints set state = set_byte(state, 0, get_byte(state, 0) # 1) where run_id = $1 and seq = $2',
      [runId, newest],
    );
    const heard: number[] = [];
    database.local.on('checkpointRejected', ({ seq }) => heard.push(seq));
    const { rejected } = await handle.stateAt();
    assert.deepEqual(
      rejected?.map(({ seq }) => seq),
      [newest],
    );
    assert.match(rejected?.[0]?.problem ?? '', /damaged/);
    assert.deepEqual(heard, [newest]);
    const { cached } = await newestValid(database, runId, truth.length - 1);
    assert.ok(cached !== undefined);
    const faulty = (await handle.checkpoints({ check: true })).filter(({ problem }) => problem !== undefined);
    assert.deepEqual(
      faulty.map(({ seq, problem }) => [seq, /damaged/.test(problem ?? '')]),
      [[newest, true]],
    );
    assert.equal((await handle.verify()).ok, true);
  });

  test('a checkpoint of another log, and one of an unknown format, are not believed', async () => {
    const seqs = await allSeqs();
    for (const change of ["log_hash = sha256('x')", 'schema_version = 99', 'seq = 9999']) {
      await restore([seqs.at(-1)!]);
      await engine.pool.query(`update reprise.checkpoints set ${change} where run_id = $1`, [runId]);
      const { rejected = [], ...state } = await handle.stateAt();
      assert.equal(JSON.stringify(state), truth.at(-1), change);
      assert.equal(rejected.length, 1, change);
    }
  });
});

describe('names and progress of the code', () => {
  let handle: WorkflowHandle;
  before(async () => {
    handle = await engine.start('marks', [], 'marks');
    await handle.result();
    await until(async () => (await rowsOf(handle.runId!)).length === 3);
  });

  test('each progress mark gives one checkpoint, and a name gives one at the end of its turn', async () => {
    const rows = await handle.checkpoints({ check: true });
    assert.deepEqual(
      rows.map(({ trigger, progress, name, isStored, problem }) => [trigger, progress, name, isStored, problem]),
      [
        ['progress', 0.3, undefined, true, undefined],
        ['progress', 0.8, undefined, true, undefined],
        ['manual', 1, 'half', true, undefined],
      ],
    );
    const progress = (await handle.patches()).filter((patch) => patch.progress !== undefined);
    assert.deepEqual(
      progress.map((patch) => [patch.progress, patch.ref]),
      [0.1, 0.3, 0.2, 0.8, 1].map((value) => [value, `at ${value}`]),
    );
  });

  test('a name means the state where the code gave it, and outlives its row', async () => {
    const sumAt = async (checkpoint: string): Promise<unknown> =>
      ((await handle.stateAt({ checkpoint })).state as { sum: number }).sum;
    assert.equal(await sumAt('half'), 1);
    await engine.pool.query('delete from reprise.checkpoints where run_id = $1', [handle.runId]);
    assert.equal(await sumAt('half'), 1);
    const rows = await handle.checkpoints();
    assert.deepEqual(
      rows.map(({ name, isStored }) => [name, isStored]),
      [['half', false]],
    );
    await assert.rejects(handle.checkpoint('half'), { code: 'CHECKPOINT_EXISTS' });
  });
});

describe('forks', () => {
  test("a fork uses its origin's checkpoints up to the point, and no later ones", async () => {
    const handle = await finished('every3:origin', [15, 10]);
    const rows = await until(async () => {
      const found = await rowsOf(handle.runId!);
      return found.length >= 4 && found;
    });
    const point = rows[2]!.seq + 1;
    const fork = await handle.fork({ workflowId: 'every3:fork', toSeq: point, reason: 'to try', actor: 'ann' });
    const forked = engine.client.workflow.getHandle(fork.workflowId, fork.runId);
    await forked.result();
    const { cached, rejected } = await newestValid(database, fork.runId, fork.seq - 1);
    assert.deepEqual([cached?.patches, rejected], [rows[2]!.patches, []]);
    for (let seq = 0; seq < fork.seq; seq++) {
      const { runId: _, ...expected } = await handle.stateAt({ seq });
      const { runId: __, ...found } = await forked.stateAt({ seq });
      assert.deepEqual(found, expected, `at seq ${seq}`);
    }
    const whole = await forked.stateAt();
    await engine.pool.query('delete from reprise.checkpoints');
    assert.deepEqual(await forked.stateAt(), whole);
    assert.ok((await forked.blame('/sum')).length === 1);
  });
});

describe('names of people', () => {
  test('a run can be recovered to a name that a person gave', async () => {
    const handle = await finished('manual:recovered');
    const { seq } = await handle.checkpoint('seen by ann');
    const { point } = await handle.rollback({ checkpoint: 'seen by ann', dryRun: true });
    // The turn that closed the run cannot be kept, so the fork begins before it.
    const ends = (await historyOf(handle.runId!)).filter((event) => event.hash !== null).map((event) => event.seq);
    assert.deepEqual([seq, point], [ends.at(-1), ends.at(-2)]);
    await assert.rejects(handle.recover({ checkpoint: 'unseen' }), { code: 'INVALID_INPUT' });
  });

  test('a person names the present state, which is pinned and a point, without the code noticing', async () => {
    const handle = await finished('manual:named');
    const made = await handle.checkpoint('audited');
    assert.deepEqual([made.name, made.pinned, made.trigger, made.isStored], ['audited', true, 'manual', true]);
    assert.equal(made.seq, (await handle.history()).length);
    assert.deepEqual(await handle.stateAt({ checkpoint: 'audited' }), await handle.stateAt());
    await assert.rejects(handle.checkpoint('audited'), { code: 'CHECKPOINT_EXISTS' });
    await assert.rejects(handle.checkpoint(''), { code: 'INVALID_INPUT' });
    for (const bad of ['a\0b', '\ud800']) {
      await assert.rejects(handle.stateAt({ checkpoint: bad }), { code: 'INVALID_INPUT', message: /without NUL/ });
    }
    assert.deepEqual(
      (await handle.checkpoints()).map(({ name }) => name),
      ['audited'],
    );
  });

  test('a state keeps its first name, also when several people name it at the same time', async () => {
    const handle = await finished('manual:named twice');
    await handle.checkpoint('first');
    await assert.rejects(handle.checkpoint('second'), { code: 'CHECKPOINT_EXISTS', message: /has the name "first"/ });
    assert.deepEqual(await handle.stateAt({ checkpoint: 'first' }), await handle.stateAt());
    const other = await finished('manual:named by many');
    const given = await Promise.allSettled(['a', 'b', 'c', 'd'].map((name) => other.checkpoint(name)));
    const made = given.flatMap((each) => (each.status === 'fulfilled' ? [each.value.name] : []));
    const refused = given.flatMap((each) =>
      each.status === 'rejected' ? [(each.reason as { code: string }).code] : [],
    );
    assert.deepEqual([made.length, refused], [1, ['CHECKPOINT_EXISTS', 'CHECKPOINT_EXISTS', 'CHECKPOINT_EXISTS']]);
    assert.deepEqual(
      (await other.checkpoints()).map(({ name }) => name),
      made,
    );
  });

  test('a run without a context has nothing to name', async () => {
    const handle = await engine.start('sleeps', [], 'plain:b');
    await handle.result();
    await assert.rejects(handle.checkpoint('x'), { code: 'INVALID_INPUT', message: /no context yet/ });
  });
});
