// The append writes turns in one commit, all or nothing, and every event reads back as it was appended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { contextSources, type EventType, eventCode } from '../../runtime/core/log/event.ts';
import type { Turn } from '../../runtime/store/log/append.ts';
import { newRunId, runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { readOutcomes } from '../../runtime/store/runs/runs.ts';
import {
  closingTurn,
  eventCount,
  historyOf,
  incarnation,
  inboxOf,
  readyRow,
  startedRun,
  startedRuns,
  testStore,
  turn,
} from '../support/store.ts';
import { send } from '../../runtime/store/messages/inbox.ts';

const store = await testStore();
const { pool, database } = store;

const text = fc
  .option(fc.string({ unit: 'binary', maxLength: 60 }), { nil: null })
  .map((value) => value?.replaceAll('\0', '') ?? null);
const columns = fc.record({
  type: fc.constantFrom(...(Object.keys(eventCode) as EventType[])),
  name: text,
  answers: fc.option(fc.integer({ min: 1, max: 0x7fffffff }), { nil: null }),
  attempt: fc.option(fc.integer({ min: 1, max: 0x7fff }), { nil: null }),
  source: fc.option(fc.constantFrom(...contextSources), { nil: null }),
  sourceId: text,
  reason: text.map((reason) => reason ?? 'a reason'),
  correlationId: text,
  ops: fc.option(fc.json(), { nil: null }),
  payload: fc.option(fc.uint8Array({ maxLength: 3_000 }), { nil: null }),
  meta: fc.option(fc.json(), { nil: null }),
  hash: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: null }),
});
const moments = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

test('every event reads back exactly as appended, to the microsecond and the byte', async (t) => {
  const worker = await incarnation(store, t);
  const property = fc.asyncProperty(
    fc.array(fc.tuple(moments, fc.array(columns, { minLength: 1, maxLength: 6 })), { minLength: 1, maxLength: 8 }),
    async (given) => {
      const turns = given.map(([at, rows]): Turn => {
        const runId = newRunId();
        const events = rows.map((row, i) => ({ ...row, seq: i + 1, at }));
        return { runId, runKey: runIdBytes(runId), events, consumed: [] };
      });
      assert.deepEqual(
        await worker.writer.append(turns),
        turns.map(() => 'committed'),
      );
      for (const { runId, events } of turns)
        assert.deepEqual(
          await historyOf(store, runId),
          events.map((event) => ({ ...event, runId })),
        );
    },
  );
  await fc.assert(property, { numRuns: 30 });
});

test('all events of a turn have the same time, and the next turn has a later time', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const at = 1_800_000_000_123_457;
  await worker.writer.append([turn({ runId, at, newEvents: ['SignalReceived', 'ActivityScheduled', 'TimerStarted'] })]);
  await worker.writer.append([turn({ runId, at: at + 1, after: 4, newEvents: ['TimerFired', 'ActivityScheduled'] })]);
  const events = await historyOf(store, runId);
  assert.deepEqual(
    events.slice(1).map((event) => event.at - at),
    [0, 0, 0, 1, 1],
  );
  assert.deepEqual(
    events.map((event) => event.hash !== null),
    [false, false, false, true, false, true],
  );
});

test('turns of many runs are one commit', async (t) => {
  const worker = await incarnation(store, t);
  const runIds = await startedRuns(store, 20, { owner: worker });
  await worker.writer.append(runIds.map((runId, i) => (i % 2 === 0 ? turn({ runId }) : closingTurn(runId, 0))));
  const { rows } = await pool.query('select distinct xmin from reprise.events where run_id = any($1) and seq = 2', [
    runIds,
  ]);
  assert.equal(rows.length, 1);
});

test('a closing turn closes the run with its status, time, last seq and last hash', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const at = 1_800_000_000_000_001;
  const failed = newEvent(0, 'WorkflowFailed', { payload: new Uint8Array([7]), reason: 'no good' });
  const closing = turn({ runId, at, newEvents: ['ActivityScheduled', failed], close: { status: 'failed', mail: 0 } });
  assert.deepEqual(await worker.writer.append([closing]), ['committed']);
  const { rows } = await pool.query(
    `select status, (extract(epoch from closed_at) * 1000000)::bigint as at, final_seq, final_hash from reprise.runs where run_id = $1`,
    [runId],
  );
  assert.deepEqual(rows, [
    { status: 'failed', at: String(at), final_seq: 3, final_hash: Buffer.from(closing.events[1]!.hash!) },
  ]);
  assert.equal(await readyRow(store, runId), undefined);
  const outcome = (await readOutcomes(database, [runId])).get(runId);
  assert.deepEqual(outcome, { type: 'WorkflowFailed', payload: Buffer.from([7]), reason: 'no good' });
});

test('one flush may hold turns of every kind, and each gets its own outcome', async (t) => {
  const worker = await incarnation(store, t);
  const [plain, reading, closing, late, readingClose] = await startedRuns(store, 5, { owner: worker });
  for (const runId of [reading!, late!, readingClose!])
    await send(pool, 'reprise', runId, { type: 'SignalReceived', name: 'go' });
  const turns = [
    closingTurn(late!, 0),
    turn({ runId: plain! }),
    turn({ runId: reading!, newEvents: ['SignalReceived'], consumed: [1] }),
    closingTurn(closing!, 0),
    closingTurn(readingClose!, 1, [1]),
  ];
  assert.deepEqual(await worker.writer.append(turns), ['mail', 'committed', 'committed', 'committed', 'committed']);
  const counts = await Promise.all(
    [plain!, reading!, closing!, late!, readingClose!].map((runId) => eventCount(store, runId)),
  );
  assert.deepEqual(counts, [2, 2, 2, 1, 2]);
  assert.deepEqual(await inboxOf(store, late!), [1]);
  assert.deepEqual(await inboxOf(store, reading!), []);
});

test('a value that Postgres refuses fails its whole flush, and the writer stays usable', async (t) => {
  const worker = await incarnation(store, t);
  const [good, poisoned] = await startedRuns(store, 2, { owner: worker });
  const bad = [newEvent(0, 'SignalReceived', { name: 'a\0b' }), newEvent(0, 'ContextPatched', { ops: '[{' })];
  const codes = ['22021', '22P02'];
  for (const [i, event] of bad.entries()) {
    await assert.rejects(
      worker.writer.append([turn({ runId: good! }), turn({ runId: poisoned!, newEvents: [event] })]),
      {
        code: codes[i],
      },
    );
  }
  assert.deepEqual([await eventCount(store, good!), await eventCount(store, poisoned!)], [1, 1]);
  assert.deepEqual(await worker.writer.append([turn({ runId: good! })]), ['committed']);
});

test('an unknown source of a context patch is refused', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const sixth = { ...newEvent(0, 'ContextPatched', { ops: '[]', reason: 'r' }), source: 'oracle' as 'tool' };
  await assert.rejects(worker.writer.append([turn({ runId, newEvents: [sixth] })]), {
    code: '23514',
    constraint: 'events_source_check',
  });
  const known = contextSources.map((source) => newEvent(0, 'ContextPatched', { ops: '[]', source, reason: 'r' }));
  assert.deepEqual(await worker.writer.append([turn({ runId, newEvents: known })]), ['committed']);
});

test('a person’s patch without a reason is refused', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const patch = (reason: string | null) =>
    turn({ runId, newEvents: [newEvent(0, 'ContextPatched', { ops: '[]', source: 'user', reason })] });
  await assert.rejects(worker.writer.append([patch(null)]), { code: '23514' });
  assert.deepEqual(await worker.writer.append([patch('order of the boss')]), ['committed']);
});
