// Memo, search attributes and texts for people (summaries, details). A start and workflow code set them, workflow code
// and clients read them, and the next run inherits them. With runs cached, rebuilt from the log for every turn, and
// replayed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkflowHandle, WorkflowStartOptions } from 'reprise/client';
import {
  defineSearchAttributeKey,
  type SearchAttributePair,
  type SearchAttributes,
  TypedSearchAttributes,
} from 'reprise/common';
import type { PropertyChange, SeenProperties } from '../support/fixtures/property-workflows.ts';
import { type TestEngine, testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const cached = await testEngine();
const evicted = await testEngine({ maxCachedRuns: 0 });

const at = new Date('2026-01-31T12:00:00.123Z');
const pairs: SearchAttributePair[] = [
  { key: defineSearchAttributeKey('Note', 'TEXT'), value: 'to be handled with care' },
  { key: defineSearchAttributeKey('Customer', 'KEYWORD'), value: 'A-17' },
  { key: defineSearchAttributeKey('Amount', 'INT'), value: 42 },
  { key: defineSearchAttributeKey('Score', 'DOUBLE'), value: 1 },
  { key: defineSearchAttributeKey('Urgent', 'BOOL'), value: false },
  { key: defineSearchAttributeKey('Due', 'DATETIME'), value: at },
  { key: defineSearchAttributeKey('Tags', 'KEYWORD_LIST'), value: ['x', 'y'] },
];
const untyped: SearchAttributes = {
  Note: ['to be handled with care'],
  Customer: ['A-17'],
  Amount: [42],
  Score: [1],
  Urgent: [false],
  Due: [at],
  Tags: ['x', 'y'],
};
const customer = defineSearchAttributeKey('Customer', 'KEYWORD');
const amount = defineSearchAttributeKey('Amount', 'INT');

interface Row {
  memo: unknown;
  attributes: unknown;
  types: unknown;
}

async function rowOf(engine: TestEngine, runId: string): Promise<Row> {
  const { rows } = await engine.pool.query<Row>(
    'select memo, search_attributes as attributes, search_attribute_types as types from reprise.runs where run_id = $1',
    [runId],
  );
  return rows[0]!;
}

/** The values that the run's row must have according to its log. */
async function foldOf(handle: WorkflowHandle): Promise<Row> {
  const fold: Record<string, Record<string, unknown>> = { memo: {}, searchAttributes: {}, searchAttributeTypes: {} };
  for (const { type, meta } of await handle.history()) {
    if (!['WorkflowStarted', 'MemoUpserted', 'SearchAttributesUpserted'].includes(type)) continue;
    for (const [part, members] of Object.entries(fold)) {
      for (const [name, value] of Object.entries((meta as Record<string, object | undefined>)[part] ?? {})) {
        if (value === null) delete members[name];
        else members[name] = value;
      }
    }
  }
  return { memo: fold['memo'], attributes: fold['searchAttributes'], types: fold['searchAttributeTypes'] };
}

async function assertRowIsFold(engine: TestEngine, handle: WorkflowHandle): Promise<Row> {
  const { runId } = await handle.describe();
  const row = await rowOf(engine, runId);
  const { memo, attributes, types } = row;
  assert.deepEqual({ memo: memo ?? {}, attributes: attributes ?? {}, types: types ?? {} }, await foldOf(handle));
  return row;
}

let count = 0;

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  const { client, taskQueue } = engine;
  const begin = (
    options: Partial<WorkflowStartOptions> = {},
    changes: readonly PropertyChange[] = [],
  ): Promise<WorkflowHandle> =>
    client.workflow.start('describesItself', {
      workflowId: `properties ${count++}`,
      taskQueue,
      args: [changes],
      ...options,
    });
  const seenBy = (handle: WorkflowHandle): Promise<SeenProperties> => handle.query('seenProperties');
  const change = (handle: WorkflowHandle, ...changes: PropertyChange[]): Promise<void> =>
    handle.signal('changeProperties', changes);
  const end = async (handle: WorkflowHandle): Promise<SeenProperties> => {
    await change(handle, { finish: true });
    return (await handle.result()) as SeenProperties;
  };

  describe(`properties of a run that is ${way}`, () => {
    it('workflow code and clients read attributes of every type unchanged', async () => {
      const handle = await begin({ typedSearchAttributes: pairs, memo: { a: { b: null } } });
      const inside = await seenBy(handle);
      assert.deepEqual(inside, { memo: { a: { b: null } }, attributes: untyped, typed: pairs, errors: [] });
      const outside = await handle.describe();
      assert.deepEqual(outside.searchAttributes, untyped);
      assert.deepEqual(outside.typedSearchAttributes, new TypedSearchAttributes(pairs));
      assert.deepEqual(outside.memo, { a: { b: null } });
      assert.equal(outside.typedSearchAttributes.get(defineSearchAttributeKey('Score', 'DOUBLE')), 1);
      await end(handle);
      await assertReplays(engine.connection.database, handle.runId!);
    });

    it('the type of an untyped attribute is inferred from its value; typed attributes win', async () => {
      const searchAttributes = {
        Word: ['order 5'],
        Number: [7],
        Fraction: [1.5],
        Yes: [true],
        When: ['2026-01-31T12:00:00.123Z'],
        Many: ['a', 'b'],
        None: [],
        Customer: ['other'],
      };
      const handle = await begin({
        searchAttributes,
        typedSearchAttributes: new TypedSearchAttributes(pairs.slice(1, 2)),
      });
      const { typed } = await seenBy(handle);
      const types = Object.fromEntries(
        (typed as SearchAttributePair[]).map(({ key, value }) => [key.name, [key.type, value]]),
      );
      assert.deepEqual(types, {
        Word: ['TEXT', 'order 5'],
        Number: ['INT', 7],
        Fraction: ['DOUBLE', 1.5],
        Yes: ['BOOL', true],
        When: ['DATETIME', at],
        Many: ['KEYWORD_LIST', ['a', 'b']],
        Customer: ['KEYWORD', 'A-17'],
      });
      await assertRowIsFold(engine, handle);
      await end(handle);
    });

    it('an upsert is visible at once and commits to the row with its event; null deletes a value', async () => {
      const handle = await begin({ memo: { a: 1 }, typedSearchAttributes: pairs.slice(0, 2) }, [
        { memo: { b: [{ c: null }], a: null } },
        {
          attributes: [
            { key: amount, value: 5 },
            { key: customer, value: null },
          ],
        },
        { attributes: [{ key: amount, value: 6 }] },
      ]);
      const first = await seenBy(handle);
      assert.deepEqual(first.memo, { b: [{ c: null }] });
      assert.deepEqual(first.attributes, { Note: ['to be handled with care'], Amount: [6] });
      const row = await assertRowIsFold(engine, handle);
      assert.deepEqual(row.attributes, { Note: 'to be handled with care', Amount: 6 });
      assert.deepEqual(row.types, { Note: 'TEXT', Amount: 'INT' });
      await change(handle, { memo: { b: null } }, { attributes: { Amount: [7], Note: [] } });
      await until(async () => ((await seenBy(handle)).attributes as SearchAttributes)['Amount']?.[0] === 7);
      assert.deepEqual(await rowOf(engine, handle.runId!), {
        memo: null,
        attributes: { Amount: 7 },
        types: { Amount: 'INT' },
      });
      assert.deepEqual((await handle.describe()).typedSearchAttributes.getAll(), [{ key: amount, value: 7 }]);
      const last = await end(handle);
      assert.deepEqual([last.memo, last.errors], [{}, []]);
      await assertRowIsFold(engine, handle);
      await assertReplays(engine.connection.database, handle.runId!);
    });

    it('a closing turn writes its changes to the row too, even if it is the first turn', async () => {
      const once = await begin({}, [
        { attributes: [{ key: amount, value: 1 }] },
        { memo: { last: 1 } },
        { finish: true },
      ]);
      await once.result();
      assert.deepEqual(await rowOf(engine, once.runId!), {
        memo: { last: 1 },
        attributes: { Amount: 1 },
        types: { Amount: 'INT' },
      });
      const later = await begin();
      await change(later, { attributes: [{ key: amount, value: 2 }] }, { finish: true });
      await later.result();
      assert.deepEqual((await assertRowIsFold(engine, later)).attributes, { Amount: 2 });
      const { rows } = await engine.pool.query('select ok from reprise_audit.verify($1)', [later.runId]);
      assert.deepEqual(rows, [{ ok: true }]);
    });

    it('the next run of a chain has the current memo and attributes, or those that its options name', async () => {
      const handle = await begin({ memo: { a: 1, b: { c: null } }, typedSearchAttributes: pairs.slice(0, 2) });
      await change(
        handle,
        { memo: { a: 2 } },
        {
          attributes: [
            { key: amount, value: 3 },
            { key: customer, value: null },
          ],
        },
        { continueAs: {} },
      );
      await until(async () => (await handle.describe()).runId !== handle.runId);
      const carried = await seenBy(handle);
      assert.deepEqual(carried.memo, { a: 2, b: { c: null } });
      assert.deepEqual(carried.attributes, { Note: ['to be handled with care'], Amount: [3] });
      await assertRowIsFold(engine, handle);
      const { runId: second } = await handle.describe();
      await change(handle, { continueAs: { memo: { d: 4 }, typedSearchAttributes: pairs.slice(1, 2) } });
      await until(async () => (await handle.describe()).runId !== second);
      const given = await seenBy(handle);
      assert.deepEqual([given.memo, given.attributes], [{ d: 4 }, { Customer: ['A-17'] }]);
      const { runId: third } = await handle.describe();
      await change(handle, { continueAs: { searchAttributes: {} } });
      await until(async () => (await handle.describe()).runId !== third);
      const bare = await seenBy(handle);
      assert.deepEqual([bare.memo, bare.attributes], [{ d: 4 }, {}]);
      assert.equal((await assertRowIsFold(engine, handle)).attributes, null);
      await end(handle);
      await assertReplays(engine.connection.database, handle.runId!);
    });

    it('the next attempt of a run has the original memo and attributes', async () => {
      const handle = await client.workflow.start('upsertsAndFails', {
        workflowId: `attempts ${way}`,
        taskQueue,
        memo: { a: 1 },
        retry: { initialInterval: 1, maximumAttempts: 2 },
      });
      assert.deepEqual(await handle.result(), [{ a: 1 }, {}]);
      assert.deepEqual((await rowOf(engine, handle.runId)).memo, { a: 2 });
      assert.deepEqual((await handle.describe()).memo, { a: 1 });
    });

    it('an upsert that cannot be stored or changes a type throws, and leaves no event', async () => {
      const handle = await begin({ typedSearchAttributes: pairs.slice(1, 3) });
      const untrue = (name: string, type: string, value: unknown): PropertyChange =>
        ({ attributes: [{ key: { name, type }, value }] }) as unknown as PropertyChange;
      await change(
        handle,
        untrue('Customer', 'INT', 5),
        untrue('Customer', 'INT', null),
        untrue('New', 'INT', 1.5),
        untrue('New', 'NUMBER', 1),
        untrue('New', 'KEYWORD', 'a\0b'),
        untrue('__temporal_x', 'INT', 1),
        untrue('WorkflowId', 'KEYWORD', 'x'),
        { attributes: { Amount: ['five'] } },
        { memo: { a: '\0' } },
        { memo: [1] as unknown as Record<string, unknown> },
        { memo: null as unknown as Record<string, unknown> },
        { attributes: null as unknown as SearchAttributes },
      );
      const expected = [
        /^ValueError: Search attribute 'Customer' of this run has the type KEYWORD, got INT/,
        /^ValueError: Search attribute 'Customer' of this run has the type KEYWORD, got INT/,
        /^ValueError: Invalid search attribute value 1.5 for given type INT/,
        /^ValueError: Unknown search attribute type: NUMBER/,
        /^ValueError: Search attribute 'New' holds NUL/,
        /^ValueError: Cannot use search attribute name: '__temporal_x', with reserved prefix: '__'/,
        /^ValueError: Cannot use search attribute name: 'WorkflowId', which is a field of every run/,
        /^ValueError: Search attribute 'Amount' of this run has the type INT, got TEXT/,
        /^RuntimeError: memo holds a NUL/,
        /^RuntimeError: memo is a list of 1, expected an object/,
        /^Error: memo must be a non-null Record/,
        /^Error: searchAttributes must be a non-null SearchAttributes/,
      ];
      const { errors } = await until(async () => {
        const seen = await seenBy(handle);
        return seen.errors.length > 0 && seen;
      });
      assert.equal(errors.length, expected.length, errors.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(errors[index]!, pattern);
      await assert.rejects(handle.query('changeInQuery'), /query handler/);
      await end(handle);
      const types = new Set((await handle.history()).map((event) => event.type));
      assert.ok(!types.has('MemoUpserted') && !types.has('SearchAttributesUpserted'));
    });

    it('a memo over the limit fails the task and is not written', async () => {
      const handle = await client.workflow.start('bigMemo', { workflowId: `big ${way}`, taskQueue, args: [3_000_000] });
      const { taskFailure } = await until(async () => {
        const run = await handle.describe();
        return run.taskFailure !== undefined && run;
      });
      assert.equal(taskFailure?.code, 'PAYLOAD_TOO_LARGE');
      assert.equal((await rowOf(engine, handle.runId)).memo, null);
      await handle.terminate();
    });

    it('summaries and details are in describe and in the history', async () => {
      const words = { staticSummary: 'an order', staticDetails: 'of\n*Ada*' };
      const workflowId = `summaries ${way}`;
      const handle = await client.workflow.start('summarized', { workflowId, taskQueue, args: ['greets'], ...words });
      await handle.result();
      const run = await handle.describe();
      assert.deepEqual([await run.staticSummary(), await run.staticDetails()], ['an order', 'of\n*Ada*']);
      const { events } = await handle.fetchHistory();
      const metadata = events.flatMap(({ eventType, userMetadata }) =>
        userMetadata === undefined ? [] : [[eventType, userMetadata]],
      );
      assert.deepEqual(metadata, [
        ['WorkflowExecutionStarted', { summary: 'an order', details: 'of\n*Ada*' }],
        ['ActivityTaskScheduled', { summary: 'greets' }],
        ['TimerStarted', { summary: 'greets' }],
      ]);
      const bare = await begin();
      const { staticSummary } = await bare.describe();
      assert.equal(await staticSummary(), undefined);
      await bare.terminate();
    });
  });
}
