// Binary arrays: Postgres reads exactly the values that were added to a column. Every property uses one encoder for
// several arrays in turn, as the append does.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { ColumnEncoder, RowEncoder, timestampArray, uuidArray } from '../../runtime/store/codec/pg-binary.ts';
import { newRunId, runIdBytes, runIdFromBytes } from '../../runtime/store/runs/run-id.ts';
import { testStore } from '../support/store.ts';

const store = await testStore();
const client = await store.session({ after });

const postgresEpoch = 946_684_800_000_000;
const largestMicros = Number.MAX_SAFE_INTEGER;
/** In the year 1714. From this time on, the distance to Postgres' epoch is a safe integer too. */
const smallestMicros = postgresEpoch - Number.MAX_SAFE_INTEGER;

/** Several arrays for one column, with NULLs at any position. Some are empty, and some contain only NULLs. */
function arrays<T>(value: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[][]> {
  return fc.array(fc.array(fc.option(value, { nil: null }), { maxLength: 30 }), { minLength: 1, maxLength: 4 });
}

/**
 * Sends an array as a parameter. Returns its elements in order, each as the SQL expression `element` of `x` gives it.
 */
async function read<T>(array: Buffer, type: string, element = 'x'): Promise<(T | null)[]> {
  const { rows } = await client.query<{ list: (T | null)[] }>(
    `select coalesce(array_agg(${element} order by i), '{}') as list from unnest($1::${type}[]) with ordinality as u(x, i)`,
    [array],
  );
  return rows[0]!.list;
}

function holds<T>(
  type: ConstructorParameters<typeof ColumnEncoder>[0],
  value: fc.Arbitrary<T>,
  add: (column: ColumnEncoder, value: T | null) => void,
  compare: (array: Buffer, values: readonly (T | null)[]) => Promise<void>,
): Promise<void> {
  return fc.assert(
    fc.asyncProperty(arrays(value), async (list) => {
      const column = new ColumnEncoder(type);
      for (const values of list) {
        for (const item of values) add(column, item);
        await compare(column.take(), values);
      }
    }),
    { numRuns: 60 },
  );
}

const anyText = fc
  .oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme', maxLength: 600 }),
    fc.constantFrom('', 'NULL', '{}', '"', '\\', 'ÄÖ€😀', ' '),
  )
  .map((text) => text.replaceAll('\0', ''));

test('text arrives unchanged: non-ASCII, empty and quoted', () =>
  holds(
    'text',
    anyText,
    (column, value) => column.text(value),
    async (array, values) => assert.deepEqual(await read(array, 'text'), values),
  ));

test('bytes arrive unchanged', () =>
  holds(
    'bytea',
    fc.uint8Array({ maxLength: 2_000 }),
    (column, value) => column.bytes(value),
    async (array, values) => {
      const found = await read<Buffer>(array, 'bytea');
      assert.deepEqual(
        found,
        values.map((bytes) => (bytes === null ? null : Buffer.from(bytes))),
      );
    },
  ));

test('int4 arrives over its whole range', () =>
  holds(
    'int4',
    fc.oneof(fc.integer(), fc.constantFrom(-2_147_483_648, 2_147_483_647, 0, -1)),
    (column, value) => column.int4(value),
    async (array, values) => assert.deepEqual(await read(array, 'int4'), values),
  ));

test('int2 arrives over its whole range', () =>
  holds(
    'int2',
    fc.oneof(fc.integer({ min: -32_768, max: 32_767 }), fc.constantFrom(-32_768, 32_767, 0, -1)),
    (column, value) => column.int2(value),
    async (array, values) => assert.deepEqual(await read(array, 'int2'), values),
  ));

test('times arrive exact to the microsecond, also before 1970 and before 2000', () =>
  holds(
    'timestamptz',
    fc.oneof(
      fc.integer({ min: smallestMicros, max: largestMicros }),
      fc.integer({ min: -1, max: 1 }).map((step) => postgresEpoch + step),
      fc.constantFrom(
        smallestMicros,
        largestMicros,
        0,
        -1,
        postgresEpoch - 0x1_0000_0000,
        postgresEpoch + 0x1_0000_0000,
      ),
    ),
    (column, value) => (value === null ? column.null() : column.timestamp(value)),
    async (array, values) => {
      const found = await read<string>(array, 'timestamptz', '(extract(epoch from x) * 1000000)::bigint::text');
      assert.deepEqual(
        found,
        values.map((value) => (value === null ? null : String(value))),
      );
    },
  ));

test('ids arrive unchanged', () =>
  holds(
    'uuid',
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    (column, value) => column.bytes(value),
    async (array, values) =>
      assert.deepEqual(
        await read(array, 'uuid', 'x::text'),
        values.map((id) => (id === null ? null : runIdFromBytes(Buffer.from(id)))),
      ),
  ));

test('JSON arrives byte for byte, with its spaces and order of keys', () =>
  holds(
    'json',
    fc.oneof(fc.json(), fc.constantFrom('{"b" : 1,\n "a":2, "b":3}', ' null ', '1e400', '"\\u00e4"')),
    (column, value) => column.text(value),
    async (array, values) => assert.deepEqual(await read(array, 'json', 'x::text'), values),
  ));

test('an empty array is empty, and an array of NULLs has its length', async () => {
  const column = new ColumnEncoder('text');
  assert.deepEqual(await read(column.take(), 'text'), []);
  for (let i = 0; i < 300; i += 1) column.null();
  assert.deepEqual(
    await read(column.take(), 'text'),
    Array.from({ length: 300 }, () => null),
  );
  assert.deepEqual(await read(column.take(), 'text'), []);
});

test('a column holds any number of values, and is empty after it is taken', async () => {
  const column = new ColumnEncoder('text');
  const long = Array.from({ length: 3_000 }, (_, i) => 'ä'.repeat(i % 50) + i);
  for (const value of long) column.text(value);
  assert.deepEqual(await read(column.take(), 'text'), long);
  column.text('next');
  assert.deepEqual(await read(column.take(), 'text'), ['next']);
});

test('lists of ids and of times become arrays', async () => {
  const ids = Array.from({ length: 5 }, () => newRunId());
  assert.deepEqual(await read(uuidArray(ids.map(runIdBytes)), 'uuid', 'x::text'), ids);
  assert.deepEqual(await read(uuidArray([]), 'uuid', 'x::text'), []);
  assert.deepEqual(await read(timestampArray([0, 1]), 'timestamptz', '(extract(epoch from x) * 1000000)::int'), [0, 1]);
});

test('rows of a composite type arrive unchanged, with NULLs at any position', async () => {
  await client.query('create type whole_row as (k uuid, t timestamptz, n int, s smallint, w text, j json, b bytea)');
  const { rows } = await client.query<{ type: string }>("select 'whole_row'::regtype::oid::text as type");
  const encoder = new RowEncoder(Number(rows[0]!.type), 7);
  const row = fc.record({
    k: fc.constantFrom(null, newRunId(), newRunId()),
    t: fc.integer({ min: 1, max: 4_000_000_000_000_000 }),
    n: fc.option(fc.integer({ min: -2_147_483_648, max: 2_147_483_647 })),
    s: fc.option(fc.integer({ min: -32_768, max: 32_767 })),
    w: fc.option(anyText),
    j: fc.option(fc.json().map((text) => text.replaceAll('\\u0000', ''))),
    b: fc.option(fc.uint8Array({ maxLength: 3_000 })),
  });
  const property = fc.asyncProperty(fc.array(row, { maxLength: 40 }), async (given) => {
    for (const { k, t, n, s, w, j, b } of given) {
      encoder.beginRow();
      encoder.bytes('uuid', k === null ? null : runIdBytes(k));
      encoder.timestamp(t);
      encoder.int4(n);
      encoder.int2(s);
      encoder.text('text', w);
      encoder.text('json', j);
      encoder.bytes('bytea', b);
      encoder.endRow();
    }
    const found = await client.query(
      `select k, (extract(epoch from t) * 1000000)::bigint::text as t, n, s, w, j::text as j, b
       from unnest($1::whole_row[]) with ordinality as u(k, t, n, s, w, j, b, i) order by i`,
      [encoder.take()],
    );
    assert.deepEqual(
      found.rows,
      given.map((each) => ({ ...each, t: String(each.t), b: each.b === null ? null : Buffer.from(each.b) })),
    );
  });
  await fc.assert(property, { numRuns: 60 });
});

test('Postgres refuses a NUL character, and the session stays usable', async () => {
  const column = new ColumnEncoder('text');
  column.text('a\0b');
  await assert.rejects(read(column.take(), 'text'), { code: '22021' });
  column.text('ab');
  assert.deepEqual(await read(column.take(), 'text'), ['ab']);
});
