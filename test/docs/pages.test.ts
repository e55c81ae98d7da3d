// Documents contain programs: the files of all pages compile together, and each page's program prints what the page
// shows.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { testDatabase } from '../support/database.ts';
import { missingLine, readPage } from './page.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const guide = join(root, 'docs/guide');
const paths = [join(root, 'README.md'), ...(await readdir(guide)).sort().map((name) => join(guide, name))];
const pages = await Promise.all(paths.map(async (path) => ({ path, ...(await readPage(path)) })));
const programs = pages.filter(({ files }) => files.size > 0);
const folder = await mkdtemp(join(tmpdir(), 'reprise-pages-'));
const folderOf = (path: string): string => join(folder, basename(path, '.md'));

before(async () => {
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
  await symlink(root, join(folder, 'node_modules/reprise'));
  for (const name of ['zod', 'pg', '@types/node', '@types/pg']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  for (const { path, files } of programs) {
    await mkdir(folderOf(path));
    for (const [name, text] of files) await writeFile(join(folderOf(path), name), text);
  }
});
after(() => rm(folder, { recursive: true }));

test('every page compiles under the settings that the first page gives to users', async () => {
  const settings = programs.find(({ files }) => files.has('tsconfig.json'))?.files.get('tsconfig.json');
  assert.ok(settings !== undefined, 'no page of docs/guide shows a tsconfig.json');
  await writeFile(join(folder, 'tsconfig.json'), settings);
  const tsc = join(root, 'node_modules/.bin/tsc');
  const compiled = await run(tsc, ['-p', folder, '--customConditions', 'reprise-source'], { cwd: folder }).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
  assert.equal(compiled, '');
});

for (const { path, files, output } of programs.filter((page) => page.files.has('main.ts'))) {
  test(`${basename(path)} prints the output that it shows`, async (t) => {
    const { url } = await testDatabase(t);
    const { stdout, stderr } = await run(process.execPath, ['-C', 'reprise-source', 'main.ts'], {
      cwd: folderOf(path),
      env: { ...process.env, REPRISE_DATABASE_URL: url },
    });
    const missing = missingLine(output, stdout);
    assert.equal(missing, undefined, `${path} shows a line that its program does not print:\n${stdout}\n${stderr}`);
    assert.ok(files.size > 0);
  });
}
