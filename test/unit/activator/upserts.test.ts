// Upserts of memo and search attributes as code sees them: events in order, snapshots of workflowInfo(), and replay.
// Behavior 58 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { defineSearchAttributeKey } from '../../../sdk/common.ts';
import {
  defineQuery,
  proxyActivities,
  setHandler,
  sleep,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '../../../sdk/workflow.ts';
import { completed, type Exports, failureOf, resultOf, signal, texts, workflowTest } from './harness.ts';

const { work } = proxyActivities<{ work(): Promise<void> }>({ startToCloseTimeout: 1000 });
const stage = defineSearchAttributeKey('Stage', 'KEYWORD');
const seen = defineQuery<unknown>('seen');

const staged =
  (value: string, more: 'none' | 'one less' | 'another kind' = 'none') =>
  (): Exports => ({
    async workflow(): Promise<unknown> {
      const before = workflowInfo();
      setHandler(seen, () => [workflowInfo().memo, workflowInfo().searchAttributes]);
      if (more !== 'another kind') upsertSearchAttributes([{ key: stage, value }]);
      else upsertMemo({ stage: value });
      if (more !== 'one less') upsertMemo({ stage: value });
      await work();
      const after = workflowInfo();
      return [before.memo, before.searchAttributes, after.memo, after.typedSearchAttributes.get(stage)];
    },
  });

workflowTest(
  'upserts are events in order, and an earlier workflowInfo() object does not change',
  staged('new'),
  async (driver) => {
    const outputs = await driver.start();
    assert.deepEqual(texts(outputs), ['SearchAttributesUpserted', 'MemoUpserted', 'ActivityScheduled work#1']);
    assert.equal(outputs[0]!.meta, '{"searchAttributes":{"Stage":"new"},"searchAttributeTypes":{"Stage":"KEYWORD"}}');
    assert.equal(outputs[1]!.meta, '{"memo":{"stage":"new"}}');
    assert.deepEqual(driver.query('seen'), [{ stage: 'new' }, { Stage: ['new'] }]);
    const [end] = await driver.turn(completed(4));
    assert.deepEqual(resultOf(end), [undefined, {}, { stage: 'new' }, 'new']);
  },
);

workflowTest(
  'changed values do not diverge, but a changed order or number of upserts does',
  staged('new'),
  async (driver) => {
    await driver.start();
    assert.ok((await driver.replay(staged('old'))).ok);
    for (const changed of [staged('new', 'one less'), staged('new', 'another kind')]) {
      const replayed = await driver.replay(changed);
      assert.ok(!replayed.ok);
      assert.equal(replayed.failure.code, 'DETERMINISM');
    }
    assert.deepEqual(texts(await driver.turn(completed(4))), ['WorkflowCompleted [null,{},{"stage":"new"},"new"]']);
  },
);

const mutable = (): Exports => ({
  async workflow(): Promise<unknown> {
    const value = { list: [1], at: new Date(0) };
    upsertMemo({ value });
    value.list.push(2);
    const first = workflowInfo().memo;
    upsertMemo({ value: undefined, other: null });
    return [first, workflowInfo().memo];
  },
});

workflowTest('a memo keeps the written values when the object changes later', mutable, async (driver) => {
  const outputs = await driver.start();
  assert.deepEqual(resultOf(outputs.at(-1)), [{ value: { list: [1], at: '1970-01-01T00:00:00.000Z' } }, {}]);
  assert.equal(outputs[1]!.meta, '{"memo":{"value":null,"other":null}}');
});

const wordy = (): Exports => ({
  async workflow(): Promise<unknown> {
    const refused: string[] = [];
    for (const summary of ['a\0b', '\ud800', 5 as unknown as string]) {
      await sleep(1, { summary }).catch((error: Error) => refused.push(error.message));
      try {
        proxyActivities({ startToCloseTimeout: 1, summary });
      } catch (error) {
        refused.push((error as Error).message);
      }
    }
    return refused;
  },
});

workflowTest('a summary that cannot be stored is rejected and starts no timer', wordy, async (driver) => {
  const outputs = await driver.start();
  assert.deepEqual(
    outputs.map((output) => output.type),
    ['WorkflowCompleted'],
  );
  const refused = resultOf(outputs[0]) as string[];
  assert.equal(refused.length, 6);
  for (const message of refused) assert.match(message, /^summary is .*, expected text without NUL/);
});

const typed = (): Exports => ({
  async workflow(): Promise<unknown> {
    upsertSearchAttributes([{ key: stage, value: 'a' }]);
    // An untyped value gets the attribute's type. Only deleting the attribute allows another type.
    upsertSearchAttributes({ Stage: ['b'], Due: ['2026-01-31T12:00:00+01:00'] });
    const kept = workflowInfo().typedSearchAttributes.getAll();
    const list = defineSearchAttributeKey('Stage', 'KEYWORD_LIST');
    upsertSearchAttributes([
      { key: stage, value: null },
      { key: list, value: ['c', 'd'] },
    ]);
    upsertSearchAttributes({ Stage: ['e'] });
    return [kept, workflowInfo().searchAttributes];
  },
});

workflowTest('an attribute keeps its type until it is deleted', typed, async (driver) => {
  const due = new Date('2026-01-31T11:00:00Z');
  assert.deepEqual(resultOf((await driver.start()).at(-1)), [
    [
      { key: { name: 'Stage', type: 'KEYWORD' }, value: 'b' },
      { key: { name: 'Due', type: 'DATETIME' }, value: due },
    ],
    { Stage: ['e'], Due: [due] },
  ]);
});

const inHandler = (): Exports => ({
  async workflow(): Promise<void> {
    setHandler(defineQuery('write'), () => upsertSearchAttributes([{ key: stage, value: 'x' }]));
    setHandler(defineQuery('memo'), () => upsertMemo({ a: 1 }));
    setHandler(seen, () => workflowInfo().memo ?? 'none');
    await sleep('1 day');
  },
});

workflowTest('a query cannot upsert, and its attempt has no visible effect', inHandler, async (driver) => {
  await driver.start();
  for (const query of ['write', 'memo']) {
    const answer = driver.queryResult(query);
    assert.ok(!answer.ok);
    assert.match(
      failureOf({ payload: answer.failure } as Parameters<typeof failureOf>[0]).message,
      /READ_ONLY|query handler/,
    );
  }
  assert.equal(driver.query('seen'), 'none');
  assert.deepEqual(texts(await driver.turn(signal('nobody'))), []);
});
