// Search attributes without a database: the set that users hold, and the conversion of users' values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import {
  attributeChanges,
  legacyAttributes,
  startAttributes,
  typedAttributes,
} from '../../../runtime/core/options/attribute-values.ts';
import { changedProperties, noProperties } from '../../../runtime/core/run/run-properties.ts';
import {
  defineSearchAttributeKey,
  type SearchAttributePair,
  type SearchAttributes,
  type SearchAttributeUpdatePair,
  TypedSearchAttributes,
} from '../../../runtime/core/options/search-attributes.ts';

const due = defineSearchAttributeKey('Due', 'DATETIME');
const tags = defineSearchAttributeKey('Tags', 'KEYWORD_LIST');
const count = defineSearchAttributeKey('Count', 'INT');
const at = new Date('2026-01-31T12:00:00Z');

test('a set returns its attributes, and copies share nothing', () => {
  const list = ['a'];
  const set = new TypedSearchAttributes([
    { key: due, value: at },
    { key: tags, value: list },
  ]);
  list.push('b');
  set.get(due);
  const copy = set.copy();
  copy.getAll()[0]!.value = new Date(0);
  assert.deepEqual(set, copy);
  assert.deepEqual(set.get(tags), ['a']);
  assert.deepEqual(set.get(due), at);
  assert.equal(set.get(defineSearchAttributeKey('Due', 'INT')), undefined);
  assert.equal(set.get(count), undefined);
  assert.deepEqual(JSON.parse(JSON.stringify(set)), [
    { key: due, value: at.toISOString() },
    { key: tags, value: ['a'] },
  ]);
});

test('updateCopy adds, replaces and deletes, and leaves the set as it is', () => {
  const set = new TypedSearchAttributes([{ key: count, value: 1 }]);
  const changed = set.updateCopy([
    { key: count, value: 2 },
    { key: due, value: at },
  ]);
  assert.deepEqual([set.get(count), changed.get(count), changed.get(due)], [1, 2, at]);
  assert.deepEqual(changed.updateCopy([{ key: due, value: null }]).getAll(), [{ key: count, value: 2 }]);
  const otherType = { key: { name: 'Count', type: 'TEXT' }, value: null } as const;
  assert.equal(set.updateCopy([otherType]).get(count), 1);
});

test('a set accepts one value per name, of the right type', () => {
  const twice = [
    { key: count, value: 1 },
    { key: count, value: 2 },
  ] as const;
  assert.throws(() => new TypedSearchAttributes([...twice]), /^Error: Duplicate search attribute key: Count$/);
  const wrong: readonly [string, unknown][] = [
    ['INT', 1.5],
    ['INT', '1'],
    ['DOUBLE', Number.NaN],
    ['DOUBLE', Number.POSITIVE_INFINITY],
    ['BOOL', 'true'],
    ['TEXT', 5],
    ['KEYWORD', ['a']],
    ['KEYWORD_LIST', 'a'],
    ['KEYWORD_LIST', [1]],
    ['DATETIME', '2026-01-31'],
    ['DATETIME', new Date(Number.NaN)],
    ['DATETIME', new Date('+010000-01-01T00:00:00Z')],
    ['DATETIME', new Date('-000001-01-01T00:00:00Z')],
  ];
  for (const [type, value] of wrong) {
    const pair = { key: { name: 'X', type }, value } as SearchAttributePair;
    assert.throws(() => new TypedSearchAttributes([pair]), {
      name: 'ValueError',
      message: /^Invalid search attribute value .* for given type/,
    });
  }
  const unknown = { key: { name: 'X', type: 'NUMBER' }, value: 1 } as unknown as SearchAttributePair;
  assert.throws(() => new TypedSearchAttributes([unknown]), { message: /^Unknown search attribute type: NUMBER/ });
});

test('values of another realm are accepted', () => {
  const value = runInNewContext('[new Date(0), ["a"]]') as [Date, string[]];
  const set = new TypedSearchAttributes([
    { key: due, value: value[0] },
    { key: tags, value: value[1] },
  ]);
  assert.deepEqual([set.get(due), set.get(tags)], [new Date(0), ['a']]);
});

test('stored values convert back to the originals', () => {
  const pairs: SearchAttributePair[] = [
    { key: due, value: at },
    { key: tags, value: [] },
    { key: count, value: -0 },
    { key: defineSearchAttributeKey('constructor', 'TEXT'), value: '' },
    { key: defineSearchAttributeKey('ü b', 'BOOL'), value: false },
  ];
  const stored = startAttributes(undefined, pairs)!;
  assert.deepEqual(stored.searchAttributes, {
    Due: '2026-01-31T12:00:00.000Z',
    Tags: [],
    Count: 0,
    constructor: '',
    'ü b': false,
  });
  const read = changedProperties(noProperties, JSON.parse(JSON.stringify(stored)) as typeof stored);
  const expected = [...pairs];
  expected[2] = { key: count, value: 0 };
  assert.deepEqual(typedAttributes(read).getAll(), expected);
  assert.deepEqual(legacyAttributes(read), { Due: [at], Tags: [], Count: [0], constructor: [''], 'ü b': [false] });
});

test('invalid attributes are rejected by name', () => {
  const legacy: readonly [SearchAttributes, RegExp][] = [
    [{ A: 'x' } as unknown as SearchAttributes, /^SearchAttribute value must be an array \(search attribute 'A'\)/],
    [{ A: 5 } as unknown as SearchAttributes, /^SearchAttribute value must be an array/],
    [
      { A: [1, 'x'] } as unknown as SearchAttributes,
      /^All SearchAttribute array values must be of the same type\. The first value 1 of type number doesn't match value x of type string at index 1/,
    ],
    [
      { A: [{}] } as unknown as SearchAttributes,
      /^SearchAttribute values must arrays of strings, numbers, booleans, or Dates\./,
    ],
    [{ A: [null] } as unknown as SearchAttributes, /is of type object/],
    [
      { A: [5n] } as unknown as SearchAttributes,
      /^SearchAttribute array values must be: string \| number \| boolean \| Date/,
    ],
    [{ A: [1, 2] }, /has 2 values, expected one finite number/],
    [{ A: [Number.NaN] }, /has the value NaN, expected/],
    [{ A: [new Date(Number.NaN)] }, /has the value Invalid Date, expected/],
    [{ A: ['a\0'] }, /holds NUL/],
    [{ A: ['a', '\ud800'] }, /a lone surrogate/],
    [{ '': ['a'] }, /cannot have the name the text ""/],
    [{ 'a\0': ['a'] }, /cannot have the name/],
    [{ ['x'.repeat(201)]: ['a'] }, /1 to 200 characters/],
    [{ __temporal_x: ['a'] }, /reserved prefix: '__'/],
    [{ TemporalScheduledById: ['a'] }, /reserved prefix: 'Temporal'/],
    [{ StartTime: ['a'] }, /'StartTime', which is a field of every run/],
    [JSON.parse('{ "__proto__": ["a"] }') as SearchAttributes, /reserved prefix/],
    [['a'] as unknown as SearchAttributes, /searchAttributes is a list of 1/],
    ['a' as unknown as SearchAttributes, /searchAttributes is the text "a"/],
  ];
  for (const [given, message] of legacy) {
    assert.throws(() => startAttributes(given, undefined), { name: 'ValueError', message });
    if (!Array.isArray(given))
      assert.throws(() => attributeChanges(given, noProperties), { name: 'ValueError', message });
  }
  const typed: readonly [unknown, RegExp][] = [
    [{ Count: 1 }, /typedSearchAttributes is an object, expected/],
    [[{ name: 'Count', value: 1 }], /expected \{ key, value \}/],
    [[{ key: count }], /expected \{ key, value \}/],
    [[null], /expected \{ key, value \}/],
    [[{ key: count, value: null }], /^Invalid search attribute value null for given type INT/],
    [
      [
        { key: count, value: 1 },
        { key: count, value: 1 },
      ],
      /^Duplicate search attribute key: Count/,
    ],
  ];
  for (const [given, message] of typed) {
    assert.throws(() => startAttributes(undefined, given as SearchAttributePair[]), { name: 'ValueError', message });
  }
});

test('a text that JavaScript would parse as a date stays a text', () => {
  const searchAttributes = { A: ['1'], B: ['order 5'], C: ['2026-01-31'], D: ['2026-01-31T12:00:00Z'] };
  const { searchAttributeTypes } = startAttributes(searchAttributes, undefined)!;
  assert.deepEqual(searchAttributeTypes, { A: 'TEXT', B: 'TEXT', C: 'TEXT', D: 'DATETIME' });
});

test('deletions and changes of one upsert apply in order', () => {
  const before = changedProperties(noProperties, startAttributes(undefined, [{ key: count, value: 1 }])!);
  const asText = { key: { name: 'Count', type: 'TEXT' }, value: 'one' } as const;
  const gone: SearchAttributeUpdatePair = { key: count, value: null };
  assert.deepEqual(attributeChanges([gone, asText], before).searchAttributeTypes, { Count: 'TEXT' });
  assert.throws(() => attributeChanges([asText, gone], before), /has the type INT, got TEXT/);
  assert.deepEqual(changedProperties(before, attributeChanges([gone], before)).searchAttributes, {});
});
