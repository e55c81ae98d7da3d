// The published cases of RFC 6902 (appendix A), and cases that it leaves open. The folds in TypeScript and SQL must
// both pass.
import type { Op } from '../../../runtime/core/json/operation.ts';
import type { Json } from '../../../runtime/core/json/json.ts';

export interface Rfc6902Case {
  readonly name: string;
  readonly document: Json;
  readonly patch: readonly (Op & { readonly xyz?: number })[];
  /** Absent: the patch is rejected. */
  readonly result?: Json;
}

const appendix: readonly Rfc6902Case[] = [
  {
    name: 'A.1 adding an object member',
    document: { foo: 'bar' },
    patch: [{ op: 'add', path: '/baz', value: 'qux' }],
    result: { baz: 'qux', foo: 'bar' },
  },
  {
    name: 'A.2 adding an array element',
    document: { foo: ['bar', 'baz'] },
    patch: [{ op: 'add', path: '/foo/1', value: 'qux' }],
    result: { foo: ['bar', 'qux', 'baz'] },
  },
  {
    name: 'A.3 removing an object member',
    document: { baz: 'qux', foo: 'bar' },
    patch: [{ op: 'remove', path: '/baz' }],
    result: { foo: 'bar' },
  },
  {
    name: 'A.4 removing an array element',
    document: { foo: ['bar', 'qux', 'baz'] },
    patch: [{ op: 'remove', path: '/foo/1' }],
    result: { foo: ['bar', 'baz'] },
  },
  {
    name: 'A.5 replacing a value',
    document: { baz: 'qux', foo: 'bar' },
    patch: [{ op: 'replace', path: '/baz', value: 'boo' }],
    result: { baz: 'boo', foo: 'bar' },
  },
  {
    name: 'A.6 moving a value',
    document: { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
    patch: [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
    result: { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
  },
  {
    name: 'A.7 moving an array element',
    document: { foo: ['all', 'grass', 'cows', 'eat'] },
    patch: [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
    result: { foo: ['all', 'cows', 'eat', 'grass'] },
  },
  {
    name: 'A.8 testing a value: success',
    document: { baz: 'qux', foo: ['a', 2, 'c'] },
    patch: [
      { op: 'test', path: '/baz', value: 'qux' },
      { op: 'test', path: '/foo/1', value: 2 },
    ],
    result: { baz: 'qux', foo: ['a', 2, 'c'] },
  },
  {
    name: 'A.9 testing a value: error',
    document: { baz: 'qux' },
    patch: [{ op: 'test', path: '/baz', value: 'bar' }],
  },
  {
    name: 'A.10 adding a nested member object',
    document: { foo: 'bar' },
    patch: [{ op: 'add', path: '/child', value: { grandchild: {} } }],
    result: { foo: 'bar', child: { grandchild: {} } },
  },
  {
    name: 'A.11 ignoring unrecognized elements',
    document: { foo: 'bar' },
    patch: [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }],
    result: { foo: 'bar', baz: 'qux' },
  },
  {
    name: 'A.12 adding to a nonexistent target',
    document: { foo: 'bar' },
    patch: [{ op: 'add', path: '/baz/bat', value: 'qux' }],
  },
  {
    name: 'A.13 invalid JSON patch document',
    document: { foo: 'bar' },
    patch: JSON.parse('[{ "op": "add", "path": "/baz", "value": "qux", "op": "remove" }]') as Op[],
  },
  {
    name: 'A.14 escape ordering',
    document: { '/': 9, '~1': 10 },
    patch: [{ op: 'test', path: '/~01', value: 10 }],
    result: { '/': 9, '~1': 10 },
  },
  {
    name: 'A.15 comparing strings and numbers',
    document: { '/': 9, '~1': 10 },
    patch: [{ op: 'test', path: '/~01', value: '10' }],
  },
  {
    name: 'A.16 adding an array value',
    document: { foo: ['bar'] },
    patch: [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }],
    result: { foo: ['bar', ['abc', 'def']] },
  },
];

const further: readonly Rfc6902Case[] = [
  {
    name: 'add replaces an existing member',
    document: { a: 1 },
    patch: [{ op: 'add', path: '/a', value: 2 }],
    result: { a: 2 },
  },
  {
    name: 'add at the length of a list appends',
    document: [1],
    patch: [{ op: 'add', path: '/1', value: 2 }],
    result: [1, 2],
  },
  { name: 'add beyond the end of a list is rejected', document: [1], patch: [{ op: 'add', path: '/2', value: 2 }] },
  {
    name: 'an index with a leading zero is rejected',
    document: [1, 2],
    patch: [{ op: 'replace', path: '/01', value: 0 }],
  },
  { name: 'a signed index is rejected', document: [1, 2], patch: [{ op: 'replace', path: '/-1', value: 0 }] },
  { name: 'an exponent is not an index', document: [1, 2], patch: [{ op: 'replace', path: '/1e0', value: 0 }] },
  { name: 'a list has no named members', document: [1, 2], patch: [{ op: 'add', path: '/length', value: 0 }] },
  {
    name: 'a path through an index with a leading zero is rejected',
    document: [[1]],
    patch: [{ op: 'add', path: '/00/0', value: 0 }],
  },
  { name: '"-" names no item to replace', document: [1], patch: [{ op: 'replace', path: '/-', value: 0 }] },
  { name: '"-" names no item to remove', document: [1], patch: [{ op: 'remove', path: '/-' }] },
  { name: '"-" names no item to test', document: [1], patch: [{ op: 'test', path: '/-', value: 1 }] },
  { name: '"-" names no item to copy', document: [1], patch: [{ op: 'copy', from: '/-', path: '/0' }] },
  {
    name: '"-" is an ordinary key of an object',
    document: { '-': 1 },
    patch: [{ op: 'replace', path: '/-', value: 2 }],
    result: { '-': 2 },
  },
  { name: 'replace needs an existing value', document: { a: 1 }, patch: [{ op: 'replace', path: '/b', value: 2 }] },
  { name: 'remove needs an existing value', document: { a: 1 }, patch: [{ op: 'remove', path: '/b' }] },
  {
    name: 'a member of Object.prototype is not in the document',
    document: {},
    patch: [{ op: 'remove', path: '/toString' }],
  },
  { name: 'a scalar has no members', document: { a: 'text' }, patch: [{ op: 'add', path: '/a/0', value: 1 }] },
  { name: 'the whole document cannot be removed', document: { a: 1 }, patch: [{ op: 'remove', path: '' }] },
  {
    name: 'replace of the whole document',
    document: { a: 1 },
    patch: [{ op: 'replace', path: '', value: [] }],
    result: [],
  },
  {
    name: 'add of the whole document',
    document: [1],
    patch: [{ op: 'add', path: '', value: { b: 1 } }],
    result: { b: 1 },
  },
  {
    name: 'the empty key is a key',
    document: { '': { '': 1 } },
    patch: [{ op: 'replace', path: '//', value: 2 }],
    result: { '': { '': 2 } },
  },
  {
    name: 'test compares objects without order',
    document: { a: { x: 1, y: [{ p: 1, q: 2 }] } },
    patch: [{ op: 'test', path: '/a', value: { y: [{ q: 2, p: 1 }], x: 1 } }],
    result: { a: { x: 1, y: [{ p: 1, q: 2 }] } },
  },
  {
    name: 'test compares lists with order',
    document: { a: [1, 2] },
    patch: [{ op: 'test', path: '/a', value: [2, 1] }],
  },
  { name: 'an empty list is not an empty object', document: { a: [] }, patch: [{ op: 'test', path: '/a', value: {} }] },
  { name: 'null is not absence', document: {}, patch: [{ op: 'test', path: '/a', value: null }] },
  { name: 'a number is not its text', document: { a: 1 }, patch: [{ op: 'test', path: '/a', value: '1' }] },
  {
    name: 'move into its own child is rejected',
    document: { a: { b: {} } },
    patch: [{ op: 'move', from: '/a', path: '/a/b/c' }],
  },
  {
    name: 'the document cannot be moved into itself',
    document: { a: {} },
    patch: [{ op: 'move', from: '', path: '/a' }],
  },
  {
    name: 'a key with the same prefix is not a child',
    document: { a: 1, ab: {} },
    patch: [{ op: 'move', from: '/a', path: '/ab/c' }],
    result: { ab: { c: 1 } },
  },
  {
    name: 'move onto itself changes nothing',
    document: { a: 1 },
    patch: [{ op: 'move', from: '/a', path: '/a' }],
    result: { a: 1 },
  },
  { name: 'move needs its source', document: { a: 1 }, patch: [{ op: 'move', from: '/b', path: '/b' }] },
  {
    name: 'move to the place of an ancestor',
    document: { a: { b: [1] }, c: 2 },
    patch: [{ op: 'move', from: '/a/b', path: '/a' }],
    result: { a: [1], c: 2 },
  },
  {
    name: 'move to the root',
    document: { a: { b: 1 } },
    patch: [{ op: 'move', from: '/a', path: '' }],
    result: { b: 1 },
  },
  {
    name: 'move within a list counts after the removal',
    document: [1, 2, 3],
    patch: [{ op: 'move', from: '/0', path: '/2' }],
    result: [2, 3, 1],
  },
  {
    name: 'move beyond the shortened list is rejected',
    document: [1, 2, 3],
    patch: [{ op: 'move', from: '/0', path: '/3' }],
  },
  {
    name: 'a copy is independent of its source',
    document: { a: { b: 1 } },
    patch: [
      { op: 'copy', from: '/a', path: '/c' },
      { op: 'replace', path: '/c/b', value: 2 },
    ],
    result: { a: { b: 1 }, c: { b: 2 } },
  },
  {
    name: 'the document can be copied into itself',
    document: { a: 1 },
    patch: [{ op: 'copy', from: '', path: '/b' }],
    result: { a: 1, b: { a: 1 } },
  },
  {
    name: 'later operations see earlier ones',
    document: {},
    patch: [
      { op: 'add', path: '/a', value: {} },
      { op: 'add', path: '/a/b', value: [] },
      { op: 'add', path: '/a/b/-', value: 1 },
      { op: 'test', path: '/a', value: { b: [1] } },
    ],
    result: { a: { b: [1] } },
  },
];

export const rfc6902Cases: readonly Rfc6902Case[] = [...appendix, ...further];
