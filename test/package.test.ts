// The package as users get it: packed and installed in an empty folder, with the README's example type-checked and run.
// The files of the example are the fenced blocks of README.md whose first line is a comment with a file name
// (`// workflows.ts`). The last of these files is the program.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { testDatabase } from './support/database.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>;
  devDependencies: Record<string, string>;
};
const subPaths = Object.keys(manifest.exports).filter((path) => path !== './package.json');
const compilers = { 'typescript-5': 'typescript@5.9.3', 'typescript-7': 'typescript@7.0.2' };
const nodes = { 'node-22': 'node@22.18.0', 'node-24': 'node@24.21.0' };
const limits = { timeout: 120_000 };

const folder = await mkdtemp(join(tmpdir(), 'reprise-package-'));
after(() => rm(folder, { recursive: true }));
const example = await readmeExample();

before(async () => {
  // The npm that runs the tests passes its settings (prefix, flags) on as variables. The npm that starts here must not
  // get them.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  await run('npm', ['run', '--silent', 'build'], { cwd: root, env }).catch((error: { stdout: string }) =>
    assert.fail(error.stdout),
  );
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const packed = await run('npm', pack, { cwd: root, env });
  const aliases = Object.entries({ ...compilers, ...nodes }).map(([alias, target]) => `${alias}@npm:${target}`);
  const types = `@types/node@${manifest.devDependencies['@types/node']}`;
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const tarball = packed.stdout.trim().split('\n').at(-1) ?? '';
  await run('npm', ['install', '--silent', `./${tarball}`, types, ...aliases], { cwd: folder, env });
  for (const [name, code] of example) await writeFile(join(folder, name), code);
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        ...{ strict: true, noEmit: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
        // The oldest standard library that our declarations support.
        ...{ lib: ['es2023'], skipLibCheck: false },
        ...{ target: 'es2024', module: 'nodenext', types: ['node'], allowImportingTsExtensions: true },
      },
      files: [...example.keys()],
    }),
  );
});

for (const compiler of Object.keys(compilers)) {
  test(`the README's example and the package's declarations type-check with ${compiler}`, async () => {
    const tsc = join(folder, 'node_modules', compiler, 'bin', 'tsc');
    const { stdout } = await run(nodePath('node-24'), [tsc], { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    assert.equal(stdout, '');
  });
}

for (const node of Object.keys(nodes)) {
  test(`the README's example runs on ${node}`, async (t) => {
    const { url } = await testDatabase(t);
    const program = [...example.keys()].at(-1) ?? '';
    const env = { ...process.env, REPRISE_DATABASE_URL: url };
    const { stdout } = await run(nodePath(node), [program], { cwd: folder, env, ...limits });
    assert.notEqual(stdout, '');
  });

  test(`every sub-path can be imported and required on ${node}`, async () => {
    for (const path of subPaths) {
      const name = JSON.stringify(`reprise${path.slice(1)}`);
      const code = `const required = require(${name});
        import(${name}).then((imported) => {
          const names = (module) => Object.keys(module).filter((key) => key !== 'module.exports').sort().join();
          if (names(required) !== names(imported) || names(required) === '') throw new Error(names(required));
        });`;
      await run(nodePath(node), ['--input-type=commonjs', '-e', code], { cwd: folder, ...limits });
    }
  });
}

test('the command reprise runs', async () => {
  const bin = join(folder, 'node_modules', '.bin', 'reprise');
  const { stdout } = await run(nodePath('node-22'), [bin, 'sql', '--help'], { cwd: folder, ...limits });
  assert.match(stdout, /Usage: reprise sql/);
});

function nodePath(alias: string): string {
  return join(folder, 'node_modules', alias, 'bin', 'node');
}

async function readmeExample(): Promise<Map<string, string>> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const blocks = readme.matchAll(/^```\w*\n(\/\/ ([\w-]+\.m?ts)\b.*\n[\s\S]*?)^```$/gm);
  const files = new Map([...blocks].map(([, code, name]) => [name ?? '', code ?? '']));
  assert.ok(files.size > 0, 'README.md has no block that begins with a comment naming its file');
  return files;
}
