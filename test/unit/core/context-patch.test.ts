// ContextDocument: what it logs, what it rejects, and that a rejected patch leaves no trace.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { lowerOp } from '../../../runtime/core/context/context-input.ts';
import { ContextDocument } from '../../../runtime/core/context/context-patch.ts';
import { foldOps } from '../../support/fold-ops.ts';
import type { InputOp } from '../../../runtime/core/context/context-input.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import { prevOf } from '../../../runtime/core/context/context-prev.ts';
import { ContextRecorder } from '../../../runtime/core/context/context-recorder.ts';
import type { Json, Members, Value } from '../../../runtime/core/json/json.ts';
import { applyOp } from '../../../runtime/core/json/json-patch.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';

type Loose = Record<string, unknown>;

function applied(initial: Json, ...ops: InputOp[]): { readonly logged: Op[]; readonly document: Json } {
  const context = new ContextDocument(initial);
  const logged = context.apply(ops);
  assert.deepEqual(foldOps(initial, logged), context.snapshot());
  return { logged, document: context.snapshot() };
}

function refused(initial: Json, ops: unknown, message: RegExp): void {
  const context = new ContextDocument(initial);
  assert.throws(
    () => context.apply(ops as InputOp[]),
    (error: unknown) => {
      assert(error instanceof RuntimeError);
      assert.equal(error.code, 'CONTEXT_PATCH_INVALID');
      assert.match(error.message, message);
      return true;
    },
  );
  assert.deepEqual(context.snapshot(), initial);
}

suite('prev', () => {
  test('replace and remove log the old value', () => {
    const { logged } = applied(
      { a: 1, b: { c: [2] } },
      { op: 'replace', path: '/a', value: 3 },
      { op: 'remove', path: '/b' },
    );
    assert.deepEqual(logged, [
      { op: 'replace', path: '/a', value: 3, prev: 1 },
      { op: 'remove', path: '/b', prev: { c: [2] } },
    ]);
  });

  test('add, move and copy log a previous value only when they overwrite one', () => {
    const { logged } = applied(
      { a: 1, b: 2, c: 3 },
      { op: 'add', path: '/a', value: 0 },
      { op: 'add', path: '/d', value: 0 },
      { op: 'copy', from: '/d', path: '/b' },
      { op: 'move', from: '/d', path: '/c' },
    );
    assert.deepEqual(
      logged.map(({ prev }) => prev),
      [1, undefined, 2, 3],
    );
  });

  test('an old value of null is logged', () => {
    assert.deepEqual(applied({ a: null }, { op: 'remove', path: '/a' }).logged, [
      { op: 'remove', path: '/a', prev: null },
    ]);
  });

  test('an old value of up to 1024 bytes of UTF-8 JSON is logged, and a longer one is not', () => {
    const fits: readonly Value[] = [
      'x'.repeat(1022),
      'é'.repeat(511),
      '\n'.repeat(511),
      ['x'.repeat(1020)],
      Array(341).fill(10),
    ];
    for (const value of fits) assert.deepEqual(prevOf(value), value);
    const over: readonly Value[] = [
      'x'.repeat(1023),
      'é'.repeat(512),
      '\u0001'.repeat(171),
      ['x'.repeat(1021)],
      Array(513).fill(1),
    ];
    for (const value of over) assert.equal(prevOf(value), undefined);
  });

  test("the caller's own prev is not logged", () => {
    assert.deepEqual(applied({ a: 1 }, { op: 'replace', path: '/a', value: 2, prev: 99 }).logged, [
      { op: 'replace', path: '/a', value: 2, prev: 1 },
    ]);
  });

  test('confidence is logged, and members that RFC 6902 does not define are not', () => {
    const op = { op: 'add', path: '/a', value: 1, confidence: 0.5, note: 'mine' } as const;
    assert.deepEqual(applied({}, op).logged, [{ op: 'add', path: '/a', value: 1, confidence: 0.5 }]);
  });
});

suite('verbs', () => {
  test('set adds missing object parents first', () => {
    assert.deepEqual(applied({}, { op: 'set', path: '/a/b~1c/d', value: 1, confidence: 1 }).logged, [
      { op: 'add', path: '/a', value: {}, confidence: 1 },
      { op: 'add', path: '/a/b~1c', value: {}, confidence: 1 },
      { op: 'add', path: '/a/b~1c/d', value: 1, confidence: 1 },
    ]);
  });

  test('set replaces existing values in objects and lists', () => {
    const { document, logged } = applied(
      { records: [{ dob: 1 }] },
      { op: 'set', path: '/records/0/dob', value: 2 },
      { op: 'set', path: '/records/0/seen/at', value: 3 },
      { op: 'set', path: '/records/1', value: 4 },
      { op: 'set', path: '/records/-', value: 5 },
    );
    assert.deepEqual(document, { records: [{ dob: 2, seen: { at: 3 } }, 4, 5] });
    assert.deepEqual(
      logged.map(({ op }) => op),
      ['replace', 'add', 'add', 'add', 'add'],
    );
  });

  test('set creates no missing list items on its path and replaces no scalars on it', () => {
    refused({ list: [] }, [{ op: 'set', path: '/list/0/a', value: 1 }], /no such item in a list at "\/list\/0"/);
    refused({ list: [] }, [{ op: 'set', path: '/list/-/a', value: 1 }], /no such item in a list at "\/list\/-"/);
    refused({ list: [] }, [{ op: 'set', path: '/list/a', value: 1 }], /no such item in a list at "\/list\/a"/);
    refused({ list: [] }, [{ op: 'set', path: '/list/1', value: 1 }], /no such item in a list at "\/list\/1"/);
    refused(
      { a: 'text' },
      [{ op: 'set', path: '/a/b', value: 1 }],
      /found the text "text" at "\/a", expected an object/,
    );
    refused({ a: null }, [{ op: 'set', path: '/a/b', value: 1 }], /found null at "\/a"/);
  });

  test('delete of an absent value logs nothing', () => {
    for (const path of ['/b', '/a/0', '/list/3', '/list/-', '/list/x/y', '/toString']) {
      assert.deepEqual(applied({ a: 1, list: [] }, { op: 'delete', path }).logged, []);
    }
    assert.deepEqual(applied({ list: [7] }, { op: 'delete', path: '/list/0' }).logged, [
      { op: 'remove', path: '/list/0', prev: 7 },
    ]);
    refused({ a: 1 }, [{ op: 'delete', path: '' }], /the whole document/);
  });

  test('append is add at "-" of an existing list', () => {
    assert.deepEqual(applied({ a: [1] }, { op: 'append', path: '/a', value: 2 }).logged, [
      { op: 'add', path: '/a/-', value: 2 },
    ]);
    assert.deepEqual(applied([], { op: 'append', path: '', value: 2 }).document, [2]);
    refused({}, [{ op: 'append', path: '/a', value: 1 }], /found nothing at "\/a", expected a list/);
    refused({ a: {} }, [{ op: 'append', path: '/a', value: 1 }], /found an object at "\/a", expected a list/);
  });

  test('merge logs only what changes', () => {
    const initial = { a: 1, b: { c: 2, d: 3 }, list: [1] };
    const value = { a: 1, b: { c: null, d: 3, e: { f: null, g: 4 }, absent: null }, list: [1] };
    assert.deepEqual(applied(initial, { op: 'merge', path: '', value }).logged, [
      { op: 'remove', path: '/b/c', prev: 2 },
      { op: 'add', path: '/b/e', value: { g: 4 } },
    ]);
  });

  test('merge into an absent value sets the patch without its nulls', () => {
    assert.deepEqual(applied({}, { op: 'merge', path: '/a/b', value: { c: null, d: [null] } }).document, {
      a: { b: { d: [null] } },
    });
  });

  test('each verb sees the effect of earlier operations', () => {
    const { document } = applied({}, { op: 'set', path: '/a', value: [] }, { op: 'append', path: '/a', value: 1 });
    assert.deepEqual(document, { a: [1] });
  });
});

suite('refusals', () => {
  test('the message names the operation, the pointer, the found and the expected value', () => {
    refused(
      { a: { b: 1 } },
      [
        { op: 'add', path: '/x', value: 1 },
        { op: 'replace', path: '/a/b/c', value: 2 },
      ],
      /^Context patch, operation 1 \(replace "\/a\/b\/c"\): found 1 at "\/a\/b", expected an object or a list\. The patch was not/,
    );
  });

  test('values that JSON or jsonb cannot hold are rejected with their pointer', () => {
    const cyclic: Loose = {};
    cyclic.self = cyclic;
    const bad: readonly (readonly [unknown, RegExp])[] = [
      [{ b: undefined }, /undefined at "\/a\/b"/],
      // oxlint-disable-next-line no-sparse-arrays
      [[1, , 2], /undefined at "\/a\/1"/],
      [[() => 1], /a function at "\/a\/0"/],
      [Symbol('s'), /a symbol at "\/a"/],
      [{ 'x/y': 10n }, /the bigint 10 at "\/a\/x~1y"/],
      [Number.NaN, /NaN at "\/a"/],
      [[-Infinity], /-Infinity at "\/a\/0"/],
      ['nul\0', /NUL or a lone surrogate at "\/a"/],
      ['\ud800', /NUL or a lone surrogate at "\/a"/],
      [{ '\udc00': 1 }, /a key with NUL or a lone surrogate/],
      [new Date(0), /an instance of Date at "\/a"/],
      [new Map(), /an instance of Map/],
      [new (class Point {})(), /an instance of Point/],
      [cyclic, /a cycle or deep nesting/],
    ];
    for (const [value, message] of bad) {
      refused({ old: 1 }, [{ op: 'add', path: '/a', value }], message);
      const context = new ContextDocument({ old: 1 });
      assert.throws(() => context.record((draft) => void ((draft as Loose).a = value)), message);
      assert.deepEqual(context.snapshot(), { old: 1 });
      assert.throws(() => new ContextDocument({ a: value }), message);
    }
  });

  test('operations of the wrong shape are rejected', () => {
    refused({}, [null], /operation 0: found null, expected an operation/);
    refused({}, 'add', /expected a list of operations/);
    refused({}, { op: 'add', path: '/a', value: 1 }, /found an object, expected a list of operations/);
    refused({}, [{ op: 'toString', path: '' }], /found the text "toString" as op, expected one of add/);
    refused({}, [{ path: '/a' }], /found nothing as op/);
    refused({}, [{ op: 'remove' }], /found nothing as path, expected a JSON Pointer/);
    refused({}, [{ op: 'move', path: '/a' }], /found nothing as from, expected a JSON Pointer/);
    refused({}, [{ op: 'add', path: '/a' }], /undefined at "\/a"/);
    refused({}, [{ op: 'add', path: 'a', value: 1 }], /the path "a", expected a JSON Pointer/);
    refused({}, [{ op: 'add', path: '/a~', value: 1 }], /expected a JSON Pointer/);
    refused({}, [{ op: 'add', path: '/a~2', value: 1 }], /expected a JSON Pointer/);
    refused({}, [{ op: 'add', path: '/\0', value: 1 }], /expected a JSON Pointer/);
    refused({}, [{ op: 'add', path: '/\ud800', value: 1 }], /expected a JSON Pointer/);
    refused(
      {},
      [{ op: 'add', path: '/a', value: 1, confidence: 1.1 }],
      /1\.1 as confidence, expected a number from 0 to 1/,
    );
    refused({}, [{ op: 'add', path: '/a', value: 1, confidence: Number.NaN }], /NaN as confidence/);
  });

  test('the nesting limit counts path and value together', () => {
    const nested = (depth: number): Json => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as Json;
    assert.deepEqual(applied({}, { op: 'add', path: '/a', value: nested(199) }).document, { a: nested(199) });
    refused({}, [{ op: 'add', path: '/a', value: nested(200) }], /at most 200 levels/);
    refused({}, [{ op: 'add', path: '/a'.repeat(201), value: 1 }], /at most 200 levels/);
    assert.throws(() => new ContextDocument(nested(201)), /at most 200 levels/);
  });

  test('the document stays an object or a list', () => {
    refused({ a: 1 }, [{ op: 'replace', path: '', value: 1 }], /expected an object or a list/);
    refused({ a: 1 }, [{ op: 'copy', from: '/a', path: '' }], /expected an object or a list/);
    assert.throws(() => new ContextDocument('text'), /Initial context: found the text "text"/);
  });

  test('a patch that fails at its last operation is undone completely', () => {
    refused(
      { a: { b: [1, { c: 2 }, 3] }, d: 'old', e: null },
      [
        { op: 'replace', path: '/d', value: { new: true } },
        { op: 'add', path: '/d/more', value: [] },
        { op: 'remove', path: '/a/b/0' },
        { op: 'add', path: '/a/b/1', value: 'in' },
        { op: 'move', from: '/a/b/0', path: '/moved' },
        { op: 'replace', path: '/moved/c', value: 9 },
        { op: 'copy', from: '/a', path: '/a/b/-' },
        { op: 'set', path: '/p/q/r', value: 1 },
        { op: 'merge', path: '', value: { e: 1, a: null } },
        { op: 'replace', path: '', value: [] },
        { op: 'append', path: '', value: 1 },
        { op: 'test', path: '/0', value: 2 },
      ],
      /operation 11 \(test "\/0"\): found 1 at "\/0", expected 2 \(the tested value\)/,
    );
  });

  test('the error for a move into its own child says so', () => {
    refused(
      { a: { b: {} } },
      [{ op: 'move', from: '/a', path: '/a/b/c' }],
      /found a place inside "\/a" at "\/a\/b\/c"/,
    );
    refused({ a: {} }, [{ op: 'move', from: '', path: '/a' }], /found a place inside the whole document at "\/a"/);
  });

  test('a move with an invalid target restores its source', () => {
    refused({ a: 1 }, [{ op: 'move', from: '/a', path: '/b/c' }], /found nothing at "\/b"/);
  });
});

suite('sharing', () => {
  test('changing a passed value later has no effect', () => {
    const value = { list: [{ n: 1 }] };
    const context = new ContextDocument(value);
    const op = { op: 'add' as const, path: '/b', value };
    const logged = context.apply([op]);
    value.list[0] = { n: 2 };
    op.path = '/c';
    assert.deepEqual(context.snapshot(), { list: [{ n: 1 }], b: { list: [{ n: 1 }] } });
    assert.deepEqual(logged, [{ op: 'add', path: '/b', value: { list: [{ n: 1 }] } }]);
  });

  test('logged operations do not change with the document', () => {
    const context = new ContextDocument({});
    const logged = context.apply([
      { op: 'add', path: '/a', value: { n: 1 } },
      { op: 'add', path: '/a/n', value: 2 },
    ]);
    const removed = context.apply([{ op: 'remove', path: '/a' }]);
    assert.deepEqual(
      [...logged, ...removed],
      [
        { op: 'add', path: '/a', value: { n: 1 } },
        { op: 'add', path: '/a/n', value: 2, prev: 1 },
        { op: 'remove', path: '/a', prev: { n: 2 } },
      ],
    );
  });

  test('recorded operations can be folded into many documents', () => {
    const ops: Op[] = [
      { op: 'add', path: '/a', value: { n: 1 } },
      { op: 'replace', path: '/a/n', value: 2 },
    ];
    for (let time = 0; time < 2; time += 1) {
      assert.deepEqual(foldOps({}, ops), { a: { n: 2 } });
    }
    assert.deepEqual(ops[0], { op: 'add', path: '/a', value: { n: 1 } });
  });

  test('getters of the caller run before the first write', () => {
    const context = new ContextDocument({});
    const value = {
      get seen() {
        return JSON.stringify(context.state);
      },
    };
    context.apply([
      { op: 'add', path: '/a', value: 1 },
      { op: 'add', path: '/b', value },
    ]);
    assert.deepEqual(context.snapshot(), { a: 1, b: { seen: '{}' } });
  });

  test('-0 becomes 0', () => {
    const context = new ContextDocument({ a: -0 });
    const logged = context.apply([{ op: 'add', path: '/b', value: [-0] }]);
    assert.deepEqual(logged, [{ op: 'add', path: '/b', value: [0] }]);
    assert.deepEqual(context.snapshot(), { a: 0, b: [0] });
  });

  test('keys that objects inherit are ordinary keys', () => {
    const inherited = JSON.parse('{"constructor": {"prototype": 2}}') as Json;
    const context = new ContextDocument({});
    context.apply([
      { op: 'add', path: '/constructor', value: 1 },
      { op: 'set', path: '/toString/prototype', value: 2 },
      { op: 'merge', path: '', value: inherited },
    ]);
    context.record((draft) => Object.assign(draft, { valueOf: 3 }));
    const expected = '{"constructor":{"prototype":2},"toString":{"prototype":2},"valueOf":3}';
    assert.equal(JSON.stringify(context.state), expected);
    assert.equal(JSON.stringify(context.snapshot()), expected);
  });

  test('every writer refuses the key __proto__ and names its place', () => {
    const hostile = JSON.parse('{"a": {"__proto__": {"polluted": 1}}}') as Json;
    assert.throws(() => new ContextDocument(hostile), /"\/a\/__proto__"/);
    const context = new ContextDocument({ list: [] });
    const writes: (() => unknown)[] = [
      () => context.apply([{ op: 'add', path: '/x', value: hostile }]),
      () => context.apply([{ op: 'append', path: '/list', value: hostile }]),
      () => context.apply([{ op: 'merge', path: '', value: hostile }]),
      () => context.apply([{ op: 'set', path: '/__proto__/polluted', value: 1 }]),
      () => context.apply([{ op: 'delete', path: '/__proto__' }]),
      () => context.apply([{ op: 'move', from: '/__proto__', path: '/x' }]),
      () => context.record((draft) => void ((draft as Loose)['__proto__'] = 1)),
      () => context.record((draft) => void ((draft as Loose).x = hostile)),
      () => context.record(() => hostile),
    ];
    for (const write of writes) {
      assert.throws(write, (error) => {
        assert.ok(error instanceof RuntimeError);
        assert.equal(error.code, 'CONTEXT_PATCH_INVALID');
        assert.match(error.message, /__proto__/);
        return true;
      });
    }
    assert.deepEqual(context.snapshot(), { list: [] });
    assert.equal(({} as Loose).polluted, undefined);
  });

  test('the fold keeps a recorded __proto__ as an own key', () => {
    const context = new ContextDocument({});
    context.applyRecorded(JSON.parse('[{"op":"add","path":"/__proto__","value":{"polluted":1}}]') as Op[]);
    assert.equal(JSON.stringify(context.snapshot()), '{"__proto__":{"polluted":1}}');
    assert.equal(({} as Loose).polluted, undefined);
  });

  test('values of another realm are accepted', () => {
    const value = runInNewContext('({ list: [{ n: 1 }], bare: Object.create(null) })') as Json;
    assert.deepEqual(applied({}, { op: 'add', path: '/a', value }).document, { a: { list: [{ n: 1 }], bare: {} } });
  });

  test('the document does not exist before its first patch in the log', () => {
    const context = new ContextDocument(null);
    assert.equal(context.state, null);
    context.applyRecorded([{ op: 'add', path: '', value: { a: 1 } }]);
    assert.deepEqual(context.snapshot(), { a: 1 });
    assert.throws(() => new ContextDocument(null).applyRecorded([{ op: 'add', path: '/a', value: 1 }]), {
      code: 'CONTEXT_PATCH_INVALID',
      message: /found null at the whole document, expected an object or a list/,
    });
  });
});

suite('state', () => {
  interface Repair {
    done: number;
    fixes: Record<string, { at: string }>;
    queue: { id: number }[];
  }
  const repair = () =>
    new ContextDocument<Repair>({ done: 0, fixes: { a: { at: 'x' } }, queue: [{ id: 2 }, { id: 1 }] });

  test('shows later writes', () => {
    const context = repair();
    const { state } = context;
    const { fixes, queue } = state;
    context.apply([
      { op: 'replace', path: '/done', value: 1 },
      { op: 'add', path: '/fixes/b', value: { at: 'y' } },
      { op: 'append', path: '/queue', value: { id: 3 } },
    ]);
    assert.equal(state.done, 1);
    assert.equal(fixes.b?.at, 'y');
    assert.equal(queue.length, 3);
  });

  test('is the same object each time it is read', () => {
    const context = repair();
    assert.equal(context.state, context.state);
    assert.equal(context.state.queue[0], context.state.queue[0]);
    assert.equal(context.state.queue.indexOf(context.state.queue[1] as { id: number }), 1);
  });

  test('reads like the object it shows', () => {
    const { state } = repair();
    const plain = { done: 0, fixes: { a: { at: 'x' } }, queue: [{ id: 2 }, { id: 1 }] };
    assert.deepEqual(state, plain);
    assert.equal(JSON.stringify(state), JSON.stringify(plain));
    assert.deepEqual(Object.keys(state), ['done', 'fixes', 'queue']);
    assert.deepEqual(Object.entries(state.fixes), [['a', { at: 'x' }]]);
    assert.deepEqual({ ...state }, plain);
    assert.deepEqual([...state.queue], plain.queue);
    assert.equal(Array.isArray(state.queue), true);
    assert.deepEqual(state.queue.map(({ id }) => id).toSorted(), [1, 2]);
    assert.deepEqual(state.queue.filter(({ id }) => id > 1).concat([]), [{ id: 2 }]);
    assert.equal('done' in state, true);
    assert.equal('absent' in state, false);
    assert.equal(Object.hasOwn(state, 'toString'), false);
    assert.deepEqual(Object.getOwnPropertyDescriptor(state, 'done'), {
      value: 0,
      writable: false,
      enumerable: true,
      configurable: true,
    });
  });

  test('rejects every way of writing, at every depth', () => {
    const context = repair();
    const state = context.state as unknown as { done: number; fixes: Loose; queue: { id: number }[] };
    const before = context.snapshot();
    const writes: readonly (() => unknown)[] = [
      () => (state.done = 1),
      () => ((state.fixes.a as Loose).at = 'y'),
      () => delete state.fixes.a,
      () => state.queue.push({ id: 3 }),
      () => state.queue.pop(),
      () => state.queue.sort(),
      () => state.queue.splice(0, 1),
      () => (state.queue.length = 0),
      () => Object.assign(state, { done: 2 }),
      () => Object.defineProperty(state, 'done', { value: 1 }),
      () => Object.freeze(state.fixes),
      () => Object.setPrototypeOf(state, null),
      () => ((Object.getOwnPropertyDescriptor(state, 'fixes')?.value as Loose).a = 1),
      () => ((Object.values(state)[1] as Loose).a = 1),
      () => state.queue.forEach((item) => void (item.id = 0)),
    ];
    for (const write of writes) assert.throws(write, { code: 'READ_ONLY' });
    assert.deepEqual(context.snapshot(), before);
  });

  test('can be passed back in as a value', () => {
    const context = repair();
    context.apply([{ op: 'add', path: '/fixes/copy', value: context.state as unknown as Json }]);
    assert.equal(context.state.queue.length, 2);
    context.apply([{ op: 'remove', path: '/queue/0' }]);
    assert.deepEqual((context.state.fixes.copy as unknown as Repair).queue, [{ id: 2 }, { id: 1 }]);
  });
});

suite('cost', () => {
  /** A document that records each read property by path. */
  function watched(value: Value, path: string, seen: string[], known = new WeakMap<object, Value>()): Value {
    if (typeof value !== 'object' || value === null) return value;
    const before = known.get(value);
    if (before !== undefined) return before;
    const proxy = new Proxy(value, {
      get(target, key) {
        const inner = (target as Members)[key as string] as Value;
        if (!Object.hasOwn(target, key)) return inner;
        seen.push(`${path}/${String(key)}`);
        return watched(inner, `${path}/${String(key)}`, seen, known);
      },
      ownKeys(target) {
        seen.push(`${path}: all keys`);
        return Reflect.ownKeys(target);
      },
    });
    known.set(value, proxy);
    return proxy;
  }

  function looksAt(size: number, work: (holder: { '': Value }) => void): string[] {
    const records: Value[] = Array.from({ length: size }, (_, id) => ({ id, dob: '1975', tags: [] }));
    const byKey: Members = Object.fromEntries(records.slice(0, size / 10).map((record, id) => [`k${id}`, record]));
    const seen: string[] = [];
    work({ '': watched({ records, byKey }, '', seen) });
    return seen.map((path) => path.replace(`/${size}`, '/end'));
  }

  const ops: readonly InputOp[] = [
    { op: 'replace', path: '/records/3/dob', value: '1976' },
    { op: 'set', path: '/byKey/new/fix', value: 1 },
    { op: 'append', path: '/records', value: {} },
    { op: 'merge', path: '/byKey', value: { k0: { dob: null, at: 1 } } },
    { op: 'delete', path: '/byKey/k0/tags' },
    { op: 'move', from: '/byKey/k0', path: '/moved' },
    { op: 'test', path: '/records/4/id', value: 4 },
  ];

  test('a patch reads only its own path, also in a document of a million values', () => {
    const patch = (holder: { '': Value }) => {
      for (const input of ops) {
        for (const op of lowerOp(holder, input)) {
          const old = applyOp(holder, op, []);
          if (old !== undefined) prevOf(old);
        }
      }
    };
    const small = looksAt(10, patch);
    assert.deepEqual(looksAt(250_000, patch), small);
    assert(small.length < 100);
  });

  test('an update reads only its own path, also in a document of a million values', () => {
    const update = (holder: { '': Value }) => {
      const ops = new ContextRecorder().record(holder[''], (draft) => {
        const { records, byKey } = draft as { records: Loose[]; byKey: Record<string, Loose> };
        (records[3] as Loose).dob = '1976';
        records.push({ id: -1 });
        records.splice(5, 1, { id: -2 }, { id: -3 });
        (byKey.k0 as Loose).at = 1;
        byKey.new = byKey.k0 as Loose;
        delete byKey.k0;
      });
      assert.equal(ops.length, 6);
    };
    const small = looksAt(10, update);
    assert.deepEqual(looksAt(250_000, update), small);
    assert(small.length < 100);
  });
});
