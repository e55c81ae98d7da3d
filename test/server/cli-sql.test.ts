import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startPostgres } from '../../server/dev/embedded-postgres.ts';
import { startOwnPostgres } from '../support/cluster.ts';
import { testDatabase } from '../support/database.ts';
import { reprise } from '../support/reprise-command.ts';

const { url } = await testDatabase();

test('a statement prints an aligned table', async () => {
  const statement = "select 7 as n, 'x' as name union all select 10, null order by 1";
  assert.deepEqual(await reprise(['sql', statement], { url }), {
    code: 0,
    out: 'n  | name\n---+-----\n 7 | x\n10 |\n(2 rows)\n',
    err: '',
  });
});

test('--json prints rows as objects', async () => {
  const { out } = await reprise(['sql', '--json', `select 7::bigint as n, null as none, '{"a":[true]}'::json as doc`], {
    url,
  });
  assert.deepEqual(JSON.parse(out), [{ n: 7, none: null, doc: { a: [true] } }]);
});

test('a refused statement prints its SQLSTATE and exits with 1', async () => {
  const plain = await reprise(['sql', 'select * from nowhere'], { url });
  assert.deepEqual([plain.code, plain.err], [1, 'ERROR 42P01: relation "nowhere" does not exist\n']);
  const json = await reprise(['sql', '--json', 'select * from nowhere'], { url });
  assert.equal((JSON.parse(json.err) as { error: { code: string } }).error.code, '42P01');
});

test('the session cannot write', async () => {
  const { code, err } = await reprise(['sql', 'delete from reprise.runs'], { url });
  assert.deepEqual([code, err.includes('ERROR 25006')], [1, true]);
});

test('statements from a pipe end at a semicolon outside of strings, and a failed statement does not stop the rest', async () => {
  const input = ['select', "'a;", "b' as value;", 'wrong;', '\\d', 'select 3 as last', ''].join('\n');
  const { code, out, err } = await reprise(['sql', '--json'], { input, url });
  const [first, relations, last] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>[]);
  assert.deepEqual(first, [{ value: 'a;\nb' }]);
  assert.deepEqual(
    relations?.find((relation) => relation['name'] === 'events'),
    {
      schema: 'reprise',
      name: 'events',
      type: 'table',
    },
  );
  assert.deepEqual(last, [{ last: 3 }]);
  assert.match(err, /42601/);
  assert.equal(code, 1);
});

test('help, \\? and \\d work from a pipe, and nothing is read after a quit command', async () => {
  for (const leave of ['exit', 'quit;', '\\q']) {
    const input = ['help', '\\?', '\\d', '\\d events', leave, 'select 17', ''].join('\n');
    const { code, out, err } = await reprise(['sql'], { input, url });
    assert.deepEqual([code, err], [0, '']);
    assert.equal(out.match(/list tables and views/g)?.length, 2);
    assert.match(out, /^reprise +\| events +\| table$/m);
    assert.match(out, /^reprise \| events +\| seq +\| integer +\| not null/m);
    assert.doesNotMatch(out, /17/);
  }
});

test('\\d of an unknown table and an unknown command are refused, and the argument may be a command', async () => {
  const { code, err } = await reprise(['sql'], { input: '\\d nowhere\n\\x\nselect 1;\n', url });
  assert.equal(code, 1);
  assert.match(err, /^ERROR 42P01: no table or view is named "nowhere"$/m);
  assert.match(err, /^ERROR 42601: unknown command \\x$/m);
  assert.equal((await reprise(['sql', '\\d reprise.runs'], { url })).code, 0);
});

test('wrong usage exits with 64', async () => {
  for (const args of [['nothing'], ['sql', '--jsonn'], ['sql', 'select 1', 'select 2'], []]) {
    assert.equal((await reprise(args, { url })).code, 64, args.join(' '));
  }
});

test('an unreachable database exits with 1 and a coded error', async () => {
  for (const address of ['postgres://a:b@127.0.0.1:1/c', 'nonsense']) {
    const { code, err } = await reprise(['sql', '--json', 'select 1'], { url: address });
    const { error } = JSON.parse(err) as { error: { code: string } };
    assert.deepEqual([code, error.code], [1, address === 'nonsense' ? 'INVALID_INPUT' : 'DATABASE_UNREACHABLE']);
  }
});

test("a command starts and stops the folder's database if it is stopped, and leaves a running database alone", async () => {
  const own = await startOwnPostgres();
  const below = join(own.folder, 'a', 'b');
  await mkdir(below, { recursive: true });
  await own.stop('fast');
  const first = await reprise(['sql', '--json', 'select count(*) as n from reprise.runs'], { cwd: below });
  assert.deepEqual([first.code, first.out, first.err], [0, '[{"n":0}]\n', '']);
  const server = await startPostgres({ folder: own.folder });
  assert.equal(server.startedHere, true, 'the command left the server running');
  assert.equal((await reprise(['sql', 'select 1'], { cwd: below })).code, 0);
  assert.equal(
    (await startPostgres({ folder: own.folder })).startedHere,
    false,
    'the command stopped a server it found',
  );
});
