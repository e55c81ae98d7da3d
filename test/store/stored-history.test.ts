// The log of a run as replays read it: what the source knows about the run, and its pages.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import type { HistoryRange } from '../../runtime/core/log/history-source.ts';
import { unpackEvents } from '../../runtime/store/log/packed-history.ts';
import { StoredHistory } from '../../runtime/store/log/stored-history.ts';
import { newRunId } from '../../runtime/store/runs/run-id.ts';
import { testEngine } from '../support/engine.ts';

const engine = await testEngine();
const { database } = engine.connection;

async function read(source: StoredHistory, range?: HistoryRange): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for await (const page of source.pages(range)) events.push(...page);
  return events;
}

test('a stored history knows its run, and reads the log with or without the arguments of activities', async () => {
  const handle = await engine.start('chain', [3]);
  await handle.result();
  const source = await StoredHistory.open(database, handle.runId!);
  const { workflowId, workflowType, status, head, line } = source;
  const run = await handle.describe();
  assert.deepEqual(
    [workflowId, workflowType, status, head],
    [run.workflowId, run.type, 'completed', run.historyLength],
  );
  assert.deepEqual(line, [{ runId: handle.runId, first: 1, last: head }]);

  const whole = await read(source, { arguments: 'whole' });
  assert.equal(whole.length, head);
  const args = (events: readonly HistoryEvent[]): unknown[] =>
    events.filter(({ type }) => type === 'ActivityScheduled').map(({ payload }) => payload && Buffer.from(payload));
  const encoded = args(whole) as Buffer[];
  assert.ok(encoded.length > 0);
  assert.deepEqual(
    args(await read(source)),
    encoded.map(() => null),
  );
  const digests = encoded.map((bytes) => createHash('sha256').update(bytes).digest());
  assert.deepEqual(args(await read(source, { arguments: 'digest' })), digests);
  const others = (events: readonly HistoryEvent[]): HistoryEvent[] =>
    events.filter(({ type }) => type !== 'ActivityScheduled');
  assert.deepEqual(others(await read(source, { arguments: 'digest' })), others(whole));
  assert.deepEqual(
    (await read(source, { after: 1, upTo: 3 })).map(({ seq }) => seq),
    [2, 3],
  );
});

test('a run that does not exist has no history', async () => {
  const runId = newRunId();
  await assert.rejects(StoredHistory.open(database, runId), { code: 'RUN_NOT_FOUND', runId });
});

test('packed pages hold the same events as pages, in a run of several pages', async () => {
  const handle = await engine.start('manyPatches', [3_000]);
  await handle.result();
  const source = await StoredHistory.open(database, handle.runId!);
  assert.ok(source.head > 2_500);
  const ranges = [{}, { after: 10, upTo: 2_600 }, { arguments: 'whole' }, { arguments: 'digest', upTo: 3 }] as const;
  for (const range of ranges) {
    const unpacked: HistoryEvent[] = [];
    for await (const page of source.packedPages(range)) unpacked.push(...unpackEvents(page));
    assert.deepEqual(unpacked, await read(source, range));
  }
  for await (const _ of source.packedPages()) break; // a caller may stop early
});
