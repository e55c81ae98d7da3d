// The query language of lists: how queries are parsed, and at which position errors are reported.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { type Condition, parseVisibilityQuery } from '../../runtime/store/visibility/visibility-query.ts';
import { queryTime } from '../../runtime/store/visibility/visibility-time.ts';

/** The text of a condition, with brackets around every part. */
function shown(condition: Condition | undefined): string {
  if (condition === undefined) return '';
  if ('parts' in condition) return `(${condition.parts.map(shown).join(` ${condition.kind} `)})`;
  const { name } = condition.field;
  const not = 'negated' in condition && condition.negated ? 'not ' : '';
  switch (condition.kind) {
    case 'compare':
      return `${name}${condition.operator}${JSON.stringify(condition.value.value)}`;
    case 'in':
      return `${name} ${not}in ${JSON.stringify(condition.values.map(({ value }) => value))}`;
    case 'between':
      return `${name} ${not}between ${JSON.stringify([condition.from.value, condition.to.value])}`;
    case 'starts':
      return `${name} ${not}starts ${JSON.stringify(condition.value.value)}`;
    case 'null':
      return `${name} is ${not}null`;
  }
}

const readings: readonly [string, string][] = [
  ['', ''],
  ['  ', ''],
  ["WorkflowId = 'a'", 'WorkflowId="a"'],
  ['WorkflowId == "a"', 'WorkflowId="a"'],
  ['A<>5', 'A!=5'],
  ['A=-1.5e3', 'A=-1500'],
  ['A = TRUE and B != false', '(A=true and B!=false)'],
  ["A='it''s'", 'A="it\'s"'],
  ["A='it\\'s'", 'A="it\'s"'],
  ["A='a\\\\b'", 'A="a\\\\b"'],
  ['A="say ""x"""', 'A="say \\"x\\""'],
  ['`a-b c` = 1', 'a-b c=1'],
  ['`and` = 1', 'and=1'],
  ['`a``b` = 1', 'a`b=1'],
  ['A=1 OR B=2 AND C=3', '(A=1 or (B=2 and C=3))'],
  ['(A=1 OR B=2) AND C=3', '((A=1 or B=2) and C=3)'],
  ['A=1 and B=2 and C=3', '(A=1 and B=2 and C=3)'],
  ['NOT A=1', 'A!=1'],
  ['NOT NOT A=1', 'A=1'],
  ['NOT A>1', 'A<=1'],
  ['NOT A<=1', 'A>1'],
  ['NOT (A=1 AND (B<2 OR NOT C=3))', '(A!=1 or (B>=2 and C=3))'],
  ['NOT A=1 AND B=2', '(A!=1 and B=2)'],
  ["A IN ('x', 'y')", 'A in ["x","y"]'],
  ['A NOT IN (1)', 'A not in [1]'],
  ['NOT A NOT IN (1)', 'A in [1]'],
  ['A BETWEEN 1 AND 5 AND B=2', '(A between [1,5] and B=2)'],
  ['A NOT BETWEEN 1 AND 5', 'A not between [1,5]'],
  ["A starts_with 'x'", 'A starts "x"'],
  ["A NOT STARTS_WITH 'x'", 'A not starts "x"'],
  ['A IS NULL', 'A is null'],
  ['A IS NOT NULL', 'A is not null'],
  ['NOT A IS NOT NULL', 'A is null'],
];

test('queries parse to conditions, with NOT moved down to the predicates', () => {
  for (const [query, expected] of readings) assert.equal(shown(parseVisibilityQuery(query).where), expected, query);
});

test('GROUP BY and ORDER BY come last', () => {
  const { where, groupBy, orderBy } = parseVisibilityQuery('A = 1 group by ExecutionStatus order by CloseTime DESC');
  assert.deepEqual(
    [shown(where), groupBy?.name, orderBy?.name, orderBy?.descending],
    ['A=1', 'ExecutionStatus', 'CloseTime', true],
  );
  assert.equal(parseVisibilityQuery('ORDER BY StartTime ASC').orderBy?.descending, false);
  assert.equal(parseVisibilityQuery('ORDER BY StartTime').orderBy?.descending, false);
});

const faults: readonly [string, RegExp][] = [
  ['nonsense', /at its end: found its end, expected =, !=/],
  ['A = ', /at its end: found its end, expected a value/],
  ['A = B', /at character 5 \("B"\): found B, expected a value/],
  ['A = 1 B = 2', /at character 7 \("B = 2"\): found B, expected AND, OR, GROUP BY, ORDER BY or the end/],
  ['A = 1 AND', /at its end: found its end, expected the name of a field/],
  ['(A = 1', /at its end: found its end, expected "\)"/],
  ['A = 1)', /at character 6 \("\)"\): found "\)", expected AND/],
  ['A IN 1', /at character 6 \("1"\): found 1, expected "\("/],
  ['A IN ()', /at character 7/],
  ['A BETWEEN 1 OR 2', /at character 13 .*expected AND and the upper end/],
  ['A IS 5', /at character 6 .*expected NULL/],
  ['A NOT = 5', /at character 7/],
  ["A = 'x", /at character 5 .*a quote that is not closed/],
  ['A = `x`', /at character 5 .*expected a value/],
  ["'A' = 1", /at character 1 .*found a text, expected the name/],
  ['A = 5x', /at character 5/],
  ['A = 1e999', /at character 5 .*too large/],
  ['A = 1; drop table runs', /at character 6 .*found ";"/],
  ['A = 1 -- x', /at character 7/],
  ["A = 'a\0b'", /at character 5 .*NUL/],
  ["A = '\ud800'", /at character 5 .*surrogate/],
  ['AND = 1', /at character 1 .*expected the name/],
  ['GROUP ExecutionStatus', /at character 7 .*expected BY/],
  [`${'('.repeat(101)}A=1${')'.repeat(101)}`, /at most 100 conditions inside each other/],
  ['x'.repeat(20_001), /20001 characters, the limit is 20000/],
];

test('a syntax error names its position', () => {
  for (const [query, message] of faults) {
    assert.throws(() => parseVisibilityQuery(query), { name: 'RuntimeError', code: 'INVALID_INPUT', message }, query);
  }
});

test('any text is either parsed or refused', () => {
  const piece = fc.constantFrom(
    ...[
      'A',
      '`b`',
      "'x'",
      '5',
      '=',
      '!=',
      '<',
      '(',
      ')',
      ',',
      'and',
      'or',
      'not',
      'in',
      'between',
      'is',
      'null',
      'starts_with',
    ],
    ...['order by', 'group by', 'true', '-', '.', "'", ' '],
  );
  const query = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(' ')),
  );
  fc.assert(
    fc.property(query, (text) => {
      try {
        parseVisibilityQuery(text);
      } catch (error) {
        assert.ok(error instanceof RuntimeError && error.code === 'INVALID_INPUT', String(error));
      }
    }),
    { numRuns: 3_000 },
  );
});

test('times are ISO 8601; without a zone they are UTC', () => {
  const times: readonly [unknown, string | undefined][] = [
    ['2026-01-31', '2026-01-31T00:00:00.000000Z'],
    ['2026-01-31T12:30', '2026-01-31T12:30:00.000000Z'],
    ['2026-01-31 12:30:05', '2026-01-31T12:30:05.000000Z'],
    ['2026-01-31T12:30:05.1234567Z', '2026-01-31T12:30:05.123456Z'],
    ['2026-01-31T12:30:05+02:00', '2026-01-31T10:30:05.000000Z'],
    ['2026-01-31T12:30:05-0130', '2026-01-31T14:00:05.000000Z'],
    ['2026-01-31T12:30:05+05', '2026-01-31T07:30:05.000000Z'],
    ['2026-02-30', undefined],
    ['2026-13-01', undefined],
    ['2026-01-31T25:00', undefined],
    ['0000-01-01', undefined],
    ['9999-12-31T23:59-12:00', undefined],
    ['yesterday', undefined],
    ['order 5', undefined],
    ['', undefined],
    [5, undefined],
  ];
  for (const [value, expected] of times) assert.equal(queryTime(value)?.micros, expected, String(value));
});
