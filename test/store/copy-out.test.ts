// Reading by binary COPY gives the same values as an ordinary query. Every failure reaches the caller, and the session
// stays usable.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { CopyOut, type RowReader } from '../../runtime/store/codec/copy-out.ts';
import { ColumnEncoder } from '../../runtime/store/codec/pg-binary.ts';
import { backendPid, testStore } from '../support/store.ts';

const store = await testStore();
const client = await store.session({ after });
const postgresEpoch = 946_684_800_000_000;

function copy<T>(query: string, read: (row: RowReader) => T): Promise<T[]> {
  const rows: T[] = [];
  return CopyOut.run(client, query, (row) => rows.push(read(row))).then(() => rows);
}

const nullable = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null, freq: 3 });
const tableRow = fc.record({
  small: nullable(fc.integer({ min: -32_768, max: 32_767 })),
  whole: nullable(fc.integer()),
  at: nullable(fc.integer({ min: postgresEpoch - Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })),
  words: nullable(fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', ''))),
  bytes: nullable(fc.uint8Array({ maxLength: 3_000 })),
  key: nullable(fc.uint8Array({ minLength: 16, maxLength: 16 })),
});
type TableRow = typeof tableRow extends fc.Arbitrary<infer T> ? T : never;

async function fillTable(rows: readonly TableRow[]): Promise<void> {
  const columns = {
    small: new ColumnEncoder('int2'),
    whole: new ColumnEncoder('int4'),
    at: new ColumnEncoder('timestamptz'),
    words: new ColumnEncoder('text'),
    bytes: new ColumnEncoder('bytea'),
    key: new ColumnEncoder('uuid'),
  };
  for (const row of rows) {
    columns.small.int2(row.small);
    columns.whole.int4(row.whole);
    if (row.at === null) columns.at.null();
    else columns.at.timestamp(row.at);
    columns.words.text(row.words);
    columns.bytes.bytes(row.bytes);
    columns.key.bytes(row.key);
  }
  await client.query('truncate pg_temp.copied');
  await client.query(
    `insert into pg_temp.copied select i, u.small, u.whole, u.at, u.words, u.bytes, u.key
     from unnest($1::int2[], $2::int4[], $3::timestamptz[], $4::text[], $5::bytea[], $6::uuid[])
       with ordinality as u(small, whole, at, words, bytes, key, i)`,
    Object.values(columns).map((column) => column.take()),
  );
}

test('copied rows equal the rows that an ordinary query returns', async () => {
  await client.query(
    'create temporary table copied (i int, small int2, whole int4, at timestamptz, words text, bytes bytea, key uuid)',
  );
  const columns = 'small, whole, at, words, bytes, key';
  const property = fc.asyncProperty(fc.array(tableRow, { maxLength: 20 }), async (given) => {
    await fillTable(given);
    const copied = await copy(`select ${columns} from copied order by i`, (row) => ({
      small: row.int2(),
      whole: row.int4(),
      at: row.timestamp(),
      words: row.text(),
      bytes: row.bytes(),
      key: row.latin1(),
    }));
    const { rows } = await client.query<Record<string, unknown>>(
      `select small, whole, (extract(epoch from at) * 1000000)::bigint::text as at, words, bytes, uuid_send(key) as key from copied order by i`,
    );
    const ordinary = rows.map((row) => ({
      ...row,
      at: row['at'] === null ? null : Number(row['at']),
      bytes: row['bytes'] === null ? null : new Uint8Array(row['bytes'] as Buffer),
      key: row['key'] === null ? null : (row['key'] as Buffer).toString('latin1'),
    }));
    assert.deepEqual(copied, ordinary);
    assert.deepEqual(
      copied.map((row) => row.bytes),
      given.map((row) => row.bytes),
    );
  });
  await fc.assert(property, { numRuns: 50 });
});

test('a query without rows never calls the reader', async () => {
  assert.deepEqual(await copy('select 1 where false', (row) => row.int4()), []);
});

test('a field may be larger than one packet', async () => {
  const [bytes, next] = await copy(
    `select decode(repeat('ab', n), 'hex') from (values (3000000), (1)) v(n) order by n desc`,
    (row) => row.bytes(),
  );
  assert.deepEqual(
    [bytes?.length, bytes?.every((byte) => byte === 0xab), next],
    [3_000_000, true, new Uint8Array([0xab])],
  );
});

test('a refused query rejects the read, and the session stays usable', async () => {
  await assert.rejects(
    copy('select * from nowhere', (row) => row.int4()),
    { code: '42P01' },
  );
  assert.deepEqual(await copy('select 1', (row) => row.int4()), [1]);
});

test('a query that fails after some rows rejects the read', async () => {
  await assert.rejects(
    copy('select 1 / (500 - i) from generate_series(1, 1000) i', (row) => row.int4()),
    { code: '22012' },
  );
  assert.deepEqual(await copy('select 1', (row) => row.int4()), [1]);
});

test('an error that the reader throws ends the read and reaches the caller, and the session stays usable', async () => {
  let seen = 0;
  const reading = copy('select i from generate_series(1, 1000) i', (row) => {
    seen += 1;
    if (row.int4() === 10) throw new RangeError('ten is too many');
  });
  await assert.rejects(reading, { name: 'RangeError', message: 'ten is too many' });
  assert.equal(seen, 10);
  assert.deepEqual(await copy('select 1', (row) => row.int4()), [1]);
});

test('the end of the session during a read rejects the read', async (t) => {
  const doomed = await store.session(t);
  const pid = await backendPid(doomed);
  const reading = CopyOut.run(doomed, 'select pg_sleep(60)::text', () => undefined);
  reading.catch(() => undefined);
  await store.pool.query('select pg_terminate_backend($1)', [pid]);
  await assert.rejects(reading);
  await assert.rejects(CopyOut.run(doomed, 'select 1', () => undefined));
});
