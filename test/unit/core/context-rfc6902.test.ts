// RFC 6902 on the table of context-rfc6902-cases.ts, RFC 6901 (section 5) and RFC 7396 (appendix A).
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ContextDocument } from '../../../runtime/core/context/context-patch.ts';
import { foldOps } from '../../support/fold-ops.ts';
import type { InputOp } from '../../../runtime/core/context/context-input.ts';
import { formatPointer, type Json, parsePointer } from '../../../runtime/core/json/json.ts';
import { holderOf, valueAt } from '../../../runtime/core/json/json-patch.ts';
import { rfc6902Cases } from './context-rfc6902-cases.ts';

const invalid = { code: 'CONTEXT_PATCH_INVALID' };

suite('RFC 6902', () => {
  for (const { name, document, patch, result } of rfc6902Cases) {
    test(name, () => {
      const original = JSON.stringify(document);
      const context = new ContextDocument(document);
      if (result === undefined) {
        assert.throws(() => foldOps(document, patch), invalid);
        assert.throws(() => context.apply(patch), invalid);
        assert.deepEqual(context.snapshot(), document);
      } else {
        assert.deepEqual(foldOps(document, patch), result);
        const logged = context.apply(patch);
        assert.deepEqual(context.snapshot(), result);
        assert.deepEqual(foldOps(document, logged), result);
      }
      assert.equal(JSON.stringify(document), original);
    });
  }
});

test('RFC 6901 section 5: every pointer finds its value', () => {
  const document: Json = {
    foo: ['bar', 'baz'],
    '': 0,
    'a/b': 1,
    'c%d': 2,
    'e^f': 3,
    'g|h': 4,
    'i\\j': 5,
    'k"l': 6,
    ' ': 7,
    'm~n': 8,
  };
  const found: readonly (readonly [string, Json | undefined])[] = [
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
    ['/foo/2', undefined],
    ['/foo/-', undefined],
    ['/foo/0/1', undefined],
    ['/absent/0', undefined],
  ];
  for (const [pointer, value] of found) {
    assert.deepEqual(valueAt(holderOf(document), pointer), value);
    assert.equal(formatPointer(parsePointer(pointer)), pointer);
  }
});

suite('RFC 7396', () => {
  const cases: readonly (readonly [target: Json, patch: Json, result: Json])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) {
    test(`${JSON.stringify(target)} with ${JSON.stringify(patch)}`, () => {
      const context = new ContextDocument({ at: target });
      const merge: InputOp = { op: 'merge', path: '/at', value: patch };
      const logged = context.apply([merge]);
      assert.deepEqual(context.snapshot(), { at: result });
      assert.deepEqual(foldOps({ at: target }, logged), { at: result });
      assert.deepEqual(context.apply([merge]), [], 'the second merge changes nothing');
    });
  }
});
