// Turns that change memo and search attributes: the run's row is the fold of exactly the appended changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { changedProperties, noProperties, type PropertiesMeta } from '../../runtime/core/run/run-properties.ts';
import type { Turn } from '../../runtime/store/log/append.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { declareDead } from '../../runtime/store/ownership/lease.ts';
import { startRuns } from '../../runtime/store/runs/start-run.ts';
import { getRun } from '../../runtime/store/runs/runs.ts';
import { incarnation, newRun, statusOf, startedRun, startedRuns, testStore, turn } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

/** The properties in a run's row. A property that the row lacks reads as an empty object. */
async function propertiesOf(runId: string): Promise<object> {
  const row = (await getRun(database, runId))!;
  return {
    memo: row.memo ?? {},
    searchAttributes: row.search_attributes ?? {},
    searchAttributeTypes: row.search_attribute_types ?? {},
  };
}

function changing(runId: string, after: number, changes: PropertiesMeta | undefined, close?: Turn['close']): Turn {
  const newEvents = [newEvent(0, 'MemoUpserted', { meta: JSON.stringify(changes ?? {}) })];
  if (close !== undefined) newEvents.push(newEvent(0, 'WorkflowCompleted'));
  return { ...turn({ runId, after, newEvents, ...(close === undefined ? {} : { close }) }), changes };
}

const name = fc.constantFrom('a', 'b', '__proto__', 'ü "\\', 'constructor');
const json = fc.jsonValue({ maxDepth: 2, noUnicodeString: true }) as fc.Arbitrary<unknown>;
const members = fc
  .array(fc.tuple(name, fc.oneof(fc.constant(null), json)), { maxLength: 4 })
  .map((entries) => JSON.parse(JSON.stringify(Object.fromEntries(entries))) as Record<string, unknown>);
const attributes = fc.dictionary(fc.constantFrom('A', 'B', 'C'), fc.constantFrom(null, 1, 2.5, true, 'x', ['x', 'y']), {
  maxKeys: 3,
  noNullPrototype: true,
});
const change: fc.Arbitrary<PropertiesMeta | undefined> = fc.option(
  fc.record({ memo: members, searchAttributes: attributes }, { requiredKeys: [] }).map((given) => ({
    ...given,
    ...(given.searchAttributes === undefined ? {} : { searchAttributeTypes: typesOf(given.searchAttributes) }),
  })) as fc.Arbitrary<PropertiesMeta>,
  { nil: undefined },
);

function typesOf(values: Record<string, unknown>): Record<string, string | null> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value === null ? null : 'TEXT']));
}

test('the row is the fold of all changes, whether turns share statements, close or are refused', async (t) => {
  const worker = await incarnation(store, t);
  const run = fc.record({
    started: fc.option(change, { nil: undefined }),
    turns: fc.array(change, { minLength: 1, maxLength: 4 }),
    /** `refused`: the closing turn is refused because of new mail, and must write nothing. */
    end: fc.constantFrom('open', 'closes', 'refused'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(run, { minLength: 1, maxLength: 4 }), async (plans) => {
      const runs = plans.map(({ started }) =>
        newRun({ properties: started === undefined ? null : JSON.stringify(withoutDeletions(started)) }),
      );
      await startRuns(pool, 'reprise', runs);
      await pool.query('update reprise.ready set owner = $2 where run_id = any($1)', [
        runs.map(({ runId }) => runId),
        worker.epoch,
      ]);
      const expected = plans.map(({ started }) =>
        changedProperties(noProperties, started === undefined ? {} : withoutDeletions(started)),
      );
      for (let round = 0; round < 4; round++) {
        const turns: Turn[] = [];
        const outcomes: string[] = [];
        for (const [index, plan] of plans.entries()) {
          if (round >= plan.turns.length) continue;
          const isLast = round === plan.turns.length - 1;
          const refused = isLast && plan.end === 'refused';
          const close =
            isLast && plan.end !== 'open' ? { status: 'completed' as const, mail: refused ? 7 : 0 } : undefined;
          turns.push(changing(runs[index]!.runId, round + 1, plan.turns[round], close));
          outcomes.push(refused ? 'mail' : 'committed');
          if (!refused) expected[index] = changedProperties(expected[index]!, plan.turns[round] ?? {});
        }
        if (turns.length > 0) assert.deepEqual(await worker.writer.append(turns), outcomes);
      }
      for (const [index, { runId }] of runs.entries()) {
        const { memo = {}, searchAttributes, searchAttributeTypes } = expected[index]!;
        assert.deepEqual(await propertiesOf(runId), { memo, searchAttributes, searchAttributeTypes });
        assert.equal(await statusOf(store, runId), plans[index]!.end === 'closes' ? 'completed' : 'running');
      }
    }),
    { numRuns: 60 },
  );
});

function withoutDeletions(properties: PropertiesMeta): PropertiesMeta {
  const left = changedProperties(noProperties, properties);
  return { ...left, memo: { ...left.memo } };
}

test('one turn may consume mail, change the row and close the run', async (t) => {
  const worker = await incarnation(store, t);
  const [first, second] = await startedRuns(store, 2, { owner: worker });
  await send(pool, 'reprise', first!, { type: 'SignalReceived', name: 'go' });
  const closing = { ...changing(first!, 1, { memo: { a: 1 } }, { status: 'completed', mail: 1 }), consumed: [1] };
  assert.deepEqual(await worker.writer.append([closing, changing(second!, 1, { memo: { b: 2 } })]), [
    'committed',
    'committed',
  ]);
  assert.deepEqual((await getRun(database, first!))!.memo, { a: 1 });
  assert.equal(await statusOf(store, first!), 'completed');
  assert.deepEqual((await getRun(database, second!))!.memo, { b: 2 });
});

test('a dead worker changes no run’s row', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await declareDead(database, worker.epoch, 'test');
  assert.equal(await worker.writer.append([changing(runId, 1, { memo: { a: 1 } })]), undefined);
  assert.equal((await getRun(database, runId))!.memo, null);
});
