// Blame against a second document in which every scalar is the number of the patch that wrote it. Random recipes insert
// and remove list items, move, copy and replace values. Differences of two states against the fold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContextDocument } from '../../../runtime/core/context/context-patch.ts';
import { ContextBlame } from '../../../runtime/core/context/context-blame.ts';
import { applyOp, type Holder, holderOf, valueAt } from '../../../runtime/core/json/json-patch.ts';
import { cloneJson, type Json, type Value } from '../../../runtime/core/json/json.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import { pointerPattern } from '../../../runtime/core/json/pointer-pattern.ts';
import { stateDiff } from '../../../runtime/replay/context/context-diff.ts';
import { foldOps } from '../../support/fold-ops.ts';
import { follow } from '../../support/fixtures/recipes.ts';
import { documents, recipes } from './context-recipes.ts';

/** The value with every scalar replaced by the number of the patch. */
function marked(value: Json, patch: number): Value {
  if (typeof value !== 'object' || value === null) return patch;
  if (Array.isArray(value)) return value.map((item: Json) => marked(item, patch));
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, marked(member, patch)]));
}

function markedOp(op: Op, patch: number): Op | undefined {
  if (op.op === 'test') return undefined;
  return 'value' in op ? { ...op, value: marked(op.value, patch) } : op;
}

function retag(holder: Holder, op: Op, patch: number): void {
  if (op.op !== 'move' && op.op !== 'copy') return;
  if (op.op === 'move' && op.from === op.path) return;
  const path = op.path.endsWith('/-')
    ? `${op.path.slice(0, -1)}${lengthAt(holder, op.path.slice(0, -2)) - 1}`
    : op.path;
  const value = cloneJson(valueAt(holder, path) as Json);
  applyOp(holder, { op: 'replace', path, value: marked(value, patch) });
}

function lengthAt(holder: Holder, path: string): number {
  return (valueAt(holder, path) as Value[]).length;
}

/** Random operations that apply to the document: those of recipes, and moves and copies between existing places. */
function randomOps(
  document: ContextDocument,
  plan: { readonly from: number; readonly to: number; readonly verb: 'move' | 'copy' },
): Op[] {
  const places = placesOf(document.snapshot(), '');
  const from = places[plan.from % places.length] as string;
  const to = places[plan.to % places.length] as string;
  if (from === '' || to === '' || to.startsWith(`${from}/`)) return [];
  return [{ op: plan.verb, from, path: to }];
}

function placesOf(value: Json, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys = Object.keys(value);
  return [
    path,
    ...keys.flatMap((key) =>
      placesOf(
        (value as Record<string, Json>)[key] as Json,
        `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      ),
    ),
  ];
}

const plans = fc.record({ from: fc.nat(), to: fc.nat(), verb: fc.constantFrom('move' as const, 'copy' as const) });

test('blame names the patch that last wrote each scalar, whatever was inserted, moved, copied or removed', () => {
  let written = 0;
  fc.assert(
    fc.property(documents, fc.array(fc.tuple(recipes, plans), { minLength: 1, maxLength: 4 }), (initial, all) => {
      const context = new ContextDocument(initial);
      const blame = new ContextBlame<number>();
      const oracle = holderOf(marked(context.snapshot(), 0));
      blame.apply(0, [{ op: 'add', path: '', value: context.snapshot() }]);
      let patch = 0;
      const take = (ops: readonly Op[]): void => {
        patch += 1;
        for (const op of ops) {
          const other = markedOp(op, patch);
          if (other !== undefined) applyOp(oracle, other);
          retag(oracle, op, patch);
        }
        blame.apply(patch, JSON.parse(JSON.stringify(ops)) as Op[]);
      };
      for (const [recipe, plan] of all) {
        try {
          take(context.record((draft) => follow(recipe, draft)));
        } catch (error) {
          assert.equal((error as Error).name, 'RuntimeError');
        }
        const ops = randomOps(context, plan);
        if (ops.length > 0) {
          try {
            take(context.apply(ops));
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'CONTEXT_PATCH_INVALID');
          }
        }
      }
      const leaves = blame.leaves(pointerPattern('test', ''));
      for (const leaf of leaves) {
        const place = valueAt(oracle, leaf.path);
        assert.deepEqual(leaf.value, valueAt(holderOf(context.snapshot()), leaf.path));
        if (typeof leaf.value === 'object' && leaf.value !== null) continue;
        assert.equal(leaf.patch, place, leaf.path);
        written += 1;
      }
      const scalars = placesOf(context.snapshot(), '').filter((path) => {
        const value = valueAt(holderOf(context.snapshot()), path);
        return typeof value !== 'object' || value === null;
      });
      assert.equal(leaves.filter(({ value }) => typeof value !== 'object' || value === null).length, scalars.length);
    }),
    { numRuns: 2000 },
  );
  assert.ok(written > 2000, `only ${written} scalars were blamed`);
});

test('blame of a pattern is the part of the whole blame that the pattern matches', () => {
  const blame = new ContextBlame<string>();
  blame.apply('start', [{ op: 'add', path: '', value: { records: [{ dob: 1, name: 'a' }, { dob: 2 }], n: {} } }]);
  blame.apply('fix', [{ op: 'replace', path: '/records/1/dob', value: 3, prev: 2 }]);
  blame.apply('insert', [{ op: 'add', path: '/records/0', value: { dob: 0 } }]);
  const told = (path: string): unknown[] =>
    blame.leaves(pointerPattern('test', path)).map((leaf) => [leaf.path, leaf.value, leaf.patch, leaf.isExact]);
  assert.deepEqual(told('/records/*/dob'), [
    ['/records/0/dob', 0, 'insert', false],
    ['/records/1/dob', 1, 'start', false],
    ['/records/2/dob', 3, 'fix', true],
  ]);
  assert.deepEqual(told('/n'), [['/n', {}, 'start', false]]);
  assert.deepEqual(told('/nowhere'), []);
});

test('the difference of two documents turns one into the other, and prev holds the old values', () => {
  fc.assert(
    fc.property(documents, documents, (before, after) => {
      const ops = stateDiff(before, after);
      const logged = JSON.parse(JSON.stringify(ops)) as Op[];
      assert.deepEqual(foldOps(before, logged), after);
      for (const op of ops) if (op.op === 'replace') assert.notDeepEqual(op.prev, op.value);
    }),
    { numRuns: 1000 },
  );
  assert.deepEqual(stateDiff(undefined, undefined), []);
  assert.deepEqual(stateDiff(undefined, { a: 1 }), [{ op: 'add', path: '', value: { a: 1 } }]);
  assert.deepEqual(stateDiff({ a: 1 }, undefined), [{ op: 'remove', path: '', prev: { a: 1 } }]);
  assert.deepEqual(stateDiff({ a: 1, b: 2 }, { a: 3 }), [
    { op: 'remove', path: '/b', prev: 2 },
    { op: 'replace', path: '/a', value: 3, prev: 1 },
  ]);
});
