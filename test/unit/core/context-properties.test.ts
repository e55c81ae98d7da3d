// Properties of the fold, the inverse and the recorder over random documents. Oracles: fast-json-patch for RFC 6902,
// plain objects for drafts. Keys are few and awkward, so that operations collide.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import fastJsonPatch from 'fast-json-patch';
import { ContextDocument } from '../../../runtime/core/context/context-patch.ts';
import { foldOps } from '../../support/fold-ops.ts';
import type { InputOp } from '../../../runtime/core/context/context-input.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import {
  copyJson,
  formatPointer,
  type Json,
  type List,
  type Members,
  parsePointer,
  type Value,
} from '../../../runtime/core/json/json.ts';
import { applyOp, holderOf, valueAt } from '../../../runtime/core/json/json-patch.ts';

const keys = ['a', 'b', '', '0', '1', '-', 'a/b', 'm~n', '~1', 'toString', 'constructor'];
const scalar = fc.oneof(
  fc.constantFrom<Value>(null, true, false, 0, -0, 1, 'x', ''),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'binary', maxLength: 4 }).filter((text) => !text.includes('\0')),
);
const { value: json } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc
      .uniqueArray(fc.tuple(fc.constantFrom(...keys), tie('value')), { maxLength: 3, selector: ([key]) => key })
      .map(membersOf),
  ),
}));
const container = json.filter((value) => typeof value === 'object' && value !== null);

function membersOf(entries: readonly (readonly [string, Value])[]): Members {
  return Object.fromEntries(entries);
}

/** A path that is found by walking the document, so that most paths exist. */
type Walk = readonly number[];
const walk: fc.Arbitrary<Walk> = fc.array(fc.nat({ max: 7 }), { maxLength: 4 });

interface Plan {
  readonly op: InputOp['op'];
  readonly path: Walk;
  readonly from: Walk;
  readonly value: Value;
  readonly last: string | null;
}
const plan: fc.Arbitrary<Plan> = fc.record({
  op: fc.constantFrom('add', 'replace', 'remove', 'test', 'move', 'copy', 'set', 'delete', 'append', 'merge'),
  path: walk,
  from: walk,
  value: json,
  last: fc.option(fc.constantFrom(...keys, '2', '00'), { freq: 2 }),
});

function pointerBy(document: Json, steps: Walk, last: string | null): string {
  const tokens: string[] = [];
  let node = document as Value;
  for (const step of steps) {
    if (typeof node !== 'object' || node === null) break;
    const names = Object.keys(node);
    const name = names[step % Math.max(1, names.length)];
    if (name === undefined) break;
    tokens.push(name);
    node = (node as Members)[name] as Value;
  }
  return formatPointer(last === null ? tokens : [...tokens, last]);
}

function inputOf(document: Json, { op, path, from, value, last }: Plan): InputOp {
  const pointer = pointerBy(document, path, last);
  const held = op === 'test' ? valueAt(holderOf(document), pointer) : undefined;
  return { op, path: pointer, from: pointerBy(document, from, null), value: held ?? value };
}

function refusal(work: () => unknown): { readonly code?: unknown } | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error as { readonly code?: unknown };
  }
}

const runs = { numRuns: 10_000 };

test('on 10,000 random documents the fold agrees with fast-json-patch where both accept', () => {
  let accepted = 0;
  fc.assert(
    fc.property(container, fc.array(plan, { minLength: 1, maxLength: 4 }), (document, plans) => {
      const original = JSON.stringify(document);
      const context = new ContextDocument(document);
      const all: Op[] = [];
      let anyRefused = false;
      for (const each of plans) {
        const before = context.snapshot();
        const input = inputOf(before, each);
        let ops: Op[] = [];
        const refused = refusal(() => {
          ops = context.apply([input]);
        });
        if (refused !== undefined) {
          anyRefused = true;
          assert.equal(refused.code, 'CONTEXT_PATCH_INVALID');
          assert.deepEqual(context.snapshot(), before);
          continue;
        }
        all.push(...ops);
        const patch = structuredClone(ops) as Parameters<typeof fastJsonPatch.applyPatch>[1];
        let theirs: unknown;
        const theyRefused = refusal(() => {
          theirs = fastJsonPatch.applyPatch(structuredClone(before), patch, true).newDocument;
        });
        if (theyRefused !== undefined) {
          // RFC 6902 section 4.4: a move is a removal, then an addition. fast-json-patch looks for the target before
          // the removal.
          assert.equal(input.op, 'move');
          continue;
        }
        assert.deepEqual(theirs, context.snapshot());
        accepted += 1;
      }
      const folded = foldOps(copyJson(document), all);
      assert.deepEqual(folded, context.snapshot());
      // Undoing a removal brings a member back as the last one. Without rejections the order of keys is the same too.
      if (!anyRefused) assert.equal(JSON.stringify(folded), JSON.stringify(context.state));
      assert.deepEqual(JSON.parse(JSON.stringify(all)), all);
      assert.equal(JSON.stringify(document), original);
    }),
    runs,
  );
  assert(accepted > 10_000, `only ${accepted} operations were accepted`);
});

/** The operations that undo `op`, made only from the log. `after` only gives the new length of a list. */
function inverse(op: Op, after: Json): Op[] {
  const { path, prev } = op;
  const undo: Op =
    prev === undefined ? { op: 'remove', path: atEnd(path, after) } : { op: 'replace', path, value: prev };
  switch (op.op) {
    case 'add':
    case 'copy':
      return [undo];
    case 'replace':
      return [{ op: 'replace', path, value: prev as Json }];
    case 'remove':
      return [{ op: 'add', path, value: prev as Json }];
    case 'move': {
      if (op.from === path) return [];
      const moved = valueAt(holderOf(after), atEnd(path, after)) as Json;
      return [undo, { op: 'add', path: op.from, value: moved }];
    }
    case 'test':
      return [];
    default:
      return op satisfies never;
  }
}

function atEnd(path: string, document: Json): string {
  const tokens = parsePointer(path);
  const list = valueAt(holderOf(document), formatPointer(tokens.slice(0, -1)));
  return Array.isArray(list) && tokens.at(-1) === '-' ? formatPointer([...tokens.slice(0, -1), list.length - 1]) : path;
}

test('the inverse of a patch, made from its operations and their prev, restores the document', () => {
  fc.assert(
    fc.property(container, fc.array(plan, { minLength: 1, maxLength: 4 }), (document, plans) => {
      fc.pre(JSON.stringify(document).length < 200);
      const context = new ContextDocument(document);
      const back: Op[][] = [];
      for (const each of plans) {
        const input = inputOf(context.snapshot(), each);
        let state = context.snapshot();
        refusal(() => {
          const ops = context.apply([input]);
          for (const op of ops) {
            state = foldOps(state, [op]);
            back.unshift(inverse(op, state));
          }
        });
        // Larger old values have no prev.
        fc.pre(JSON.stringify(context.state).length < 900);
      }
      context.applyRecorded(back.flat());
      assert.deepEqual(context.snapshot(), copyJson(document));
    }),
    runs,
  );
});

test('a patch that fails in the middle leaves the document as it was', () => {
  fc.assert(
    fc.property(container, fc.array(plan, { minLength: 1, maxLength: 5 }), (document, plans) => {
      const context = new ContextDocument(document);
      const inputs: InputOp[] = [];
      let state = context.snapshot();
      for (const each of plans) {
        const input = inputOf(state, each);
        const trial = new ContextDocument(state);
        if (refusal(() => trial.apply([input])) !== undefined) continue;
        inputs.push(input);
        state = trial.snapshot();
      }
      const failing: InputOp = { op: 'test', path: '/nowhere/at/all', value: 1 };
      assert.throws(() => context.apply([...inputs, failing]), { code: 'CONTEXT_PATCH_INVALID' });
      assert.deepEqual(context.snapshot(), copyJson(document));
    }),
    { numRuns: 3000 },
  );
});

test('a rehearsal leaves the document as it was, the order of its members included', () => {
  fc.assert(
    fc.property(container, fc.array(fc.array(plan, { maxLength: 3 }), { maxLength: 4 }), (document, groups) => {
      const context = new ContextDocument(document);
      const before = JSON.stringify(context.state);
      context.rehearse(() => {
        for (const group of groups) {
          const start = JSON.stringify(context.state);
          let isApplied = false;
          refusal(() =>
            context.rehearseAll(() => {
              for (const each of group) context.apply([inputOf(context.snapshot(), each)]);
              isApplied = true;
            }),
          );
          if (!isApplied) assert.equal(JSON.stringify(context.state), start);
        }
      });
      assert.equal(JSON.stringify(context.state), before);
    }),
    runs,
  );
});

// What a program does to a list or an object that it reached by walking.
const listActions: readonly ((list: List, values: () => Value, n: number) => unknown)[] = [
  (list, values) => list.push(values(), values()),
  (list) => list.pop(),
  (list) => list.shift(),
  (list, values) => list.unshift(values()),
  (list, values, n) => list.splice(n - 3, n, values()),
  (list, values, n) => list.splice(n, 1, values(), values()),
  (list, _, n) => list.splice(n),
  (list) => list.reverse(),
  (list) => list.sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1)),
  (list, values, n) => void (list[n % (list.length + 1)] = values()),
  (list, _, n) => void (list.length = Math.min(n, list.length)),
  (list, _, n) => list.fill(n, 1),
];
const memberActions: readonly ((members: Members, values: () => Value, key: string) => unknown)[] = [
  (members, values, key) => void (members[key] = values()),
  (members, _, key) => Reflect.deleteProperty(members, key),
  (members, values) => Object.assign(members, { a: values(), b: values() }),
  (members, _, key) => members[key] === undefined,
];

interface Move {
  readonly at: Walk;
  readonly useHeld: boolean;
  readonly action: number;
  readonly n: number;
  readonly key: string;
  readonly values: readonly Value[];
}
const move: fc.Arbitrary<Move> = fc.record({
  at: walk,
  useHeld: fc.boolean(),
  action: fc.nat({ max: 11 }),
  n: fc.nat({ max: 6 }),
  key: fc.constantFrom(...keys),
  values: fc.array(json, { minLength: 2, maxLength: 2 }),
});

/** Runs the same moves on a draft and on a plain object. Sometimes keeps a reference to a container. */
function perform(root: Value, moves: readonly Move[]): string[] {
  const results: string[] = [];
  let held = root;
  for (const { at, useHeld, action, n, key, values } of moves) {
    let node = useHeld ? held : root;
    for (const step of at) {
      const children = Object.values(node as Members).filter((child) => typeof child === 'object' && child !== null);
      node = children[step % Math.max(1, children.length)] ?? node;
    }
    if (!useHeld) held = node;
    let next = 0;
    const fresh: () => Value = () => structuredClone(values[next++ % values.length] as Value);
    const result = Array.isArray(node)
      ? listActions[action % listActions.length]?.(node, fresh, n)
      : memberActions[action % memberActions.length]?.(node as Members, fresh, key);
    results.push(JSON.stringify(result) ?? 'undefined');
  }
  return results;
}

test('a draft behaves like a plain object, and its recorded operations give the same document', () => {
  fc.assert(
    fc.property(container, fc.array(move, { minLength: 1, maxLength: 8 }), (initial, moves) => {
      const document = copyJson(initial);
      const context = new ContextDocument(document);
      const plain = structuredClone(document);
      let results: string[] = [];
      const ops = context.record((draft) => {
        results = perform(draft, moves);
      });
      // -0 is stored as 0.
      assert.deepEqual(results, perform(plain, moves));
      assert.deepEqual(context.snapshot(), copyJson(plain));
      assert.equal(
        JSON.stringify(foldOps(document, JSON.parse(JSON.stringify(ops)) as Op[])),
        JSON.stringify(context.state),
      );
    }),
    runs,
  );
});

test('an update that fails is undone', () => {
  const failure = new Error('mine');
  fc.assert(
    fc.property(container, fc.array(move, { minLength: 1, maxLength: 8 }), (document, moves) => {
      const context = new ContextDocument(document);
      const update = (draft: unknown) => {
        perform(draft as Value, moves);
        throw failure;
      };
      assert.throws(() => context.record(update), failure);
      assert.deepEqual(context.snapshot(), copyJson(document));
    }),
    { numRuns: 3000 },
  );
});

test('pointers survive parsing and formatting', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...keys), fc.string())), (tokens) => {
      fc.pre(!tokens.join('').includes('\0'));
      assert.deepEqual(parsePointer(formatPointer(tokens)), tokens);
    }),
  );
});

test('a fold in one go is the fold op by op', () => {
  fc.assert(
    fc.property(container, fc.array(plan, { maxLength: 6 }), (document, plans) => {
      const context = new ContextDocument(document);
      const holder = holderOf(copyJson(document));
      for (const each of plans) {
        const input = inputOf(context.snapshot(), each);
        refusal(() => {
          for (const op of context.apply([input])) applyOp(holder, op);
        });
      }
      assert.deepEqual(holder[''], context.snapshot());
    }),
    { numRuns: 2000 },
  );
});
