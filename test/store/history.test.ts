// Reads of the log: long runs in pages, also with lengths at the edges of pages, and the partial reads that recovery
// and rebuilds use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventCode } from '../../runtime/core/log/event.ts';
import {
  pageEvents,
  readArguments,
  readEventsAfter,
  readEventsOfType,
  readHeads,
  readHistory,
  readLastEvent,
  readPatches,
  type StoredEvent,
} from '../../runtime/store/log/history.ts';
import { newRunId } from '../../runtime/store/runs/run-id.ts';
import { testStore } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;
const firstAt = 1_800_000_000_000_000;

/**
 * A log in which event i has the time `firstAt` + i µs. Every third event is a context patch; the others are
 * ActivityScheduled.
 */
async function writtenLog(count: number): Promise<string> {
  const runId = newRunId();
  await pool.query(
    `insert into reprise.events (run_id, at, seq, type, name, source, ops, payload, meta)
     select $1, timestamptz 'epoch' + (${firstAt} + i) * interval '1 microsecond', i,
       case when i % 3 = 0 then ${eventCode.ContextPatched} else ${eventCode.ActivityScheduled} end, 'n' || i,
       case when i % 3 = 0 then 'tool' end, case when i % 3 = 0 then '[]'::json end, int4send(i), '{}'
     from generate_series(1, $2::int) i`,
    [runId, count],
  );
  return runId;
}

async function pagesOf(pages: AsyncGenerator<StoredEvent[], void, undefined>): Promise<StoredEvent[][]> {
  const found: StoredEvent[][] = [];
  for await (const page of pages) found.push(page);
  return found;
}

function seqs(pages: readonly (readonly StoredEvent[])[]): number[] {
  return pages.flat().map((event) => event.seq);
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

// Lengths of runs: at the edges of pages, just below and just above them, and a long run.
for (const [name, count] of [
  ['no event', 0],
  ['one event', 1],
  ['one event less than a page', pageEvents - 1],
  ['exactly one page', pageEvents],
  ['one event more than a page', pageEvents + 1],
  ['exactly two pages', 2 * pageEvents],
  ['25,000 events', 25_000],
] as const) {
  test(`a run of ${name} is read completely, in order, and all its pages but the last are full`, async () => {
    const runId = await writtenLog(count);
    const pages = await pagesOf(readHistory(database, runId));
    assert.equal(pages.length, Math.ceil(count / pageEvents));
    assert.ok(pages.every((page, i) => page.length === pageEvents || i === pages.length - 1));
    assert.deepEqual(seqs(pages), numbers(1, count));
    for (const event of pages.flat()) {
      assert.equal(event.runId, runId);
      assert.equal(event.at, firstAt + event.seq);
      assert.equal(event.name, `n${event.seq}`);
    }
  });
}

test('a history can be read after one seq and up to another, across the edge of a page', async () => {
  const count = pageEvents + 2_000;
  const runId = await writtenLog(count);
  const read = async (options: { after?: number; upTo?: number }) =>
    seqs(await pagesOf(readHistory(database, runId, options)));
  assert.deepEqual(await read({ after: count - 2 }), [count - 1, count]);
  assert.deepEqual(await read({ upTo: 2 }), [1, 2]);
  assert.deepEqual(await read({ after: 500, upTo: pageEvents + 600 }), numbers(501, pageEvents + 600));
  assert.deepEqual(await read({ after: 500, upTo: pageEvents + 500 }), numbers(501, pageEvents + 500));
  assert.deepEqual(await read({ after: count }), []);
});

test('a read for replay leaves out the arguments of activities and nothing else', async () => {
  const runId = await writtenLog(4);
  const [whole] = await pagesOf(readHistory(database, runId));
  const [forReplay] = await pagesOf(readHistory(database, runId, { forReplay: true }));
  assert.deepEqual(
    forReplay,
    whole!.map((event) => (event.type === 'ActivityScheduled' ? { ...event, payload: null } : event)),
  );
  assert.deepEqual(forReplay?.[2]?.payload, new Uint8Array([0, 0, 0, 3]));
});

test('after a reader stops early, the database can be read again', async () => {
  const count = 2 * pageEvents + 1;
  const runId = await writtenLog(count);
  for await (const page of readHistory(database, runId)) {
    assert.equal(page.length, pageEvents);
    break;
  }
  assert.equal((await readLastEvent(database, runId))?.seq, count);
});

test('a page that cannot be read rejects the read that waits for it', async () => {
  const runId = await writtenLog(3 * pageEvents);
  const pages = readHistory(database, runId);
  assert.equal((await pages.next()).value?.length, pageEvents);
  await pool.query('alter table reprise.events rename to events_away');
  try {
    await assert.rejects(pagesOf(pages), { code: '42P01' });
  } finally {
    await pool.query('alter table reprise.events_away rename to events');
  }
  assert.deepEqual(await pages.next(), { value: undefined, done: true });
});

test('one read returns the first events of many runs, ordered by run', async () => {
  const runIds = (await Promise.all([3, 10, 1].map(writtenLog))).sort();
  const heads = await readHeads(database, runIds, 4);
  assert.deepEqual([...new Set(heads.map((event) => event.runId))], runIds);
  const counts = await Promise.all(
    runIds.map(async (runId) => Math.min(4, (await readLastEvent(database, runId))!.seq)),
  );
  assert.deepEqual(
    heads.map((event) => event.seq),
    counts.flatMap((count) => numbers(1, count)),
  );
  assert.ok(heads.every((event) => (event.payload === null) === (event.type === 'ActivityScheduled')));
});

test('the last event is the one with the highest seq, and a run without events has none', async () => {
  assert.equal((await readLastEvent(database, await writtenLog(7)))?.seq, 7);
  assert.equal(await readLastEvent(database, newRunId()), undefined);
});

test('arguments of scheduled activities are read by seq', async () => {
  const runId = await writtenLog(6);
  assert.deepEqual(
    await readArguments(database, runId, [1, 3, 5]),
    new Map([
      [1, new Uint8Array([0, 0, 0, 1])],
      [5, new Uint8Array([0, 0, 0, 5])],
    ]),
  );
});

test('events of given types can be read without the others', async () => {
  const runId = await writtenLog(7);
  assert.deepEqual(seqs([await readEventsOfType(database, runId, ['ContextPatched'])]), [3, 6]);
  assert.deepEqual(
    seqs([await readEventsOfType(database, runId, ['ContextPatched', 'ActivityScheduled'])]),
    numbers(1, 7),
  );
});

test('the tail of a log is read inside the caller’s transaction', async (t) => {
  const runId = await writtenLog(3);
  const session = await store.session(t);
  await session.query('begin');
  await session.query('insert into reprise.events (run_id, at, seq, type) values ($1, clock_timestamp(), 4, 40)', [
    runId,
  ]);
  assert.deepEqual(seqs([await readEventsAfter(session, 'reprise', runId, 2)]), [3, 4]);
  await session.query('rollback');
  assert.equal((await readLastEvent(database, runId))?.seq, 3);
});

test('context patches can be read without other events, up to and including a seq or a time', async () => {
  const runId = await writtenLog(12);
  assert.deepEqual(seqs(await pagesOf(readPatches(database, runId, {}))), [3, 6, 9, 12]);
  assert.deepEqual(seqs(await pagesOf(readPatches(database, runId, { upTo: 9 }))), [3, 6, 9]);
  assert.deepEqual(seqs(await pagesOf(readPatches(database, runId, { upTo: 8 }))), [3, 6]);
  assert.deepEqual(seqs(await pagesOf(readPatches(database, runId, { upToTime: firstAt + 6 }))), [3, 6]);
  assert.deepEqual(seqs(await pagesOf(readPatches(database, runId, { upToTime: firstAt + 5 }))), [3]);
  assert.deepEqual(seqs(await pagesOf(readPatches(database, runId, { upTo: Number.MAX_SAFE_INTEGER }))), [3, 6, 9, 12]);
});

test('context patches of a long run are read in pages', async () => {
  const runId = await writtenLog(3 * (pageEvents + 1));
  const pages = await pagesOf(readPatches(database, runId, {}));
  assert.ok(pages.length > 1 && pages.every((page) => page.length <= pageEvents));
  assert.deepEqual(
    seqs(pages),
    numbers(1, pageEvents + 1).map((i) => i * 3),
  );
  const upTo = 2 * pageEvents + 5;
  assert.deepEqual(
    seqs(await pagesOf(readPatches(database, runId, { upTo }))),
    seqs(pages).filter((seq) => seq <= upTo),
  );
  assert.deepEqual(await pagesOf(readPatches(database, newRunId(), {})), []);
});

test('a text that is not a run id never reaches a statement', async () => {
  for (const wrong of ["x' or true --", '', 'order-17', `${newRunId()}'`]) {
    await assert.rejects(readLastEvent(database, wrong), /is not a run id/);
    await assert.rejects(readHistory(database, wrong).next(), /is not a run id/);
    await assert.rejects(readHeads(database, [wrong], 1), /is not a run id/);
  }
});
