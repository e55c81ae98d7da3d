// runtime/store/schema/schema.sql shows the whole schema in one file. After you change a migration, run this test file
// with UPDATE_SCHEMA=1 and review the difference.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { dumpSchema } from '../support/schema-dump.ts';
import { testStore } from '../support/store.ts';

const store = await testStore();
const file = new URL('../../runtime/store/schema/schema.sql', import.meta.url);
const opening = `-- The schema as the migrations of this folder leave it, in one place for reading. Nothing runs this file: it is written
-- by \`UPDATE_SCHEMA=1 npm test -- test/store/schema.test.ts\`, and the same test compares it with a migrated database.

`;

test('schema.sql is the result of the migrations', async () => {
  const made = opening + (await dumpSchema(store.pool, ['reprise', 'reprise_audit']));
  if (process.env['UPDATE_SCHEMA'] === '1') await writeFile(file, made);
  assert.equal(await readFile(file, 'utf8'), made);
});

test('the schema has no trigger, foreign key, sequence or extension', async () => {
  const { rows } = await store.pool.query(
    `select 'trigger' as what, tgname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where c.relnamespace = 'reprise'::regnamespace
     union all select 'foreign key', conname from pg_constraint where contype = 'f' and connamespace = 'reprise'::regnamespace
     union all select 'sequence', c.relname from pg_class c where relkind = 'S' and relnamespace = 'reprise'::regnamespace
       and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'i')
     union all select 'extension', extname from pg_extension where extname <> 'plpgsql'`,
  );
  assert.deepEqual(rows, []);
});

test('a run has a close time if and only if its status is closed', async () => {
  const insert = (status: string, closedAt: string | null) =>
    store.pool.query(
      `insert into reprise.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at, closed_at)
       values (gen_random_uuid(), 'n', gen_random_uuid()::text, 't', 'q', $1, now(), $2)`,
      [status, closedAt],
    );
  await insert('running', null);
  await insert('completed', '2026-01-01');
  await assert.rejects(insert('running', '2026-01-01'), { code: '23514' });
  await assert.rejects(insert('completed', null), { code: '23514' });
  await assert.rejects(insert('finished', '2026-01-01'), { code: '23514' });
});
