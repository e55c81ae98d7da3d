// What may go into a bundle of workflow code, and how violations are reported.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { bundleWorkflowCode, loadBundle } from '../../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../../runtime/sandbox/realm/sandbox.ts';
import { runOnce, sandboxOf, writePackage } from './workflow-files.ts';

type Files = Readonly<Record<string, string>>;

/** Message of the BUNDLE_FAILED for the first file, without the folder. */
async function failure(
  files: Files,
  options: { ignoreModules?: string[]; preloadModules?: string[] } = {},
): Promise<string> {
  const root = writePackage(files);
  const workflowsPath = join(root, Object.keys(files)[0]!);
  try {
    await bundleWorkflowCode({ workflowsPath, ...options });
  } catch (error) {
    assert.ok(error instanceof RuntimeError && error.code === 'BUNDLE_FAILED', String(error));
    return error.message.replaceAll(root, '');
  }
  return assert.fail('it was bundled');
}

const activities = `import { readFile } from 'node:fs/promises';
export async function read(path: string) { return readFile(path, 'utf8'); }`;

test('a value import of activities is rejected with the chain, both lines and the remedy', async () => {
  const message = await failure({
    'src/workflows.ts': `import { proxyActivities } from 'reprise/workflow';

import * as activities from './activities.ts';
export async function main() { return activities.read('x'); }`,
    'src/activities.ts': activities,
  });
  assert.equal(
    message,
    'Cannot bundle the workflow code of /src/workflows.ts:\n' +
      "  src/activities.ts:1: 'node:fs/promises' must not be imported by workflow code " +
      '(src/workflows.ts → src/activities.ts → node:fs/promises). ' +
      "src/workflows.ts:3 imports './activities.ts' by value: use `import type` there and call activities through " +
      "proxyActivities. If the module is needed, move what uses 'node:fs/promises' to another file, or pass " +
      "ignoreModules: ['node:fs/promises'] if it is never used inside a workflow.",
  );
});

test('the remedy names the import of the activities, however deep the disallowed import is', async () => {
  const message = await failure({
    'workflows.ts': `import { read } from './lib.ts'; export async function main() { return read; }`,
    'lib.ts': `\nexport * from './activities.ts';`,
    'activities.ts': `export { db as read } from './db.ts';`,
    'db.ts': `import pg from 'pg'; export const db = pg;`,
  });
  assert.match(message, /\(workflows\.ts → lib\.ts → activities\.ts → db\.ts → pg\)/);
  assert.match(message, /lib\.ts:2 imports '\.\/activities\.ts' by value: use `import type`/);
});

test('a type import of activities is allowed', async () => {
  const sandbox = await sandboxOf({
    'workflows.ts': `import { proxyActivities } from 'reprise/workflow';
import type * as activities from './activities.ts';
const { read } = proxyActivities<typeof activities>({ startToCloseTimeout: 1000 });
export async function main() { return typeof read; }`,
    'activities.ts': activities,
  });
  assert.equal(runOnce(sandbox, 'main'), 'function');
});

test('TypeScript drops an import that is used only as a type', async () => {
  const sandbox = await sandboxOf({
    'workflows.ts': `import * as activities from './activities.ts';
export type Activities = typeof activities;
export async function main() { return 1; }`,
    'activities.ts': activities,
  });
  assert.equal(runOnce(sandbox, 'main'), 1);
});

for (const specifier of [
  'fs',
  'node:crypto',
  'path',
  'node:test',
  'reprise/activity',
  'reprise/client',
  'reprise/worker',
  'pg',
  'kysely',
]) {
  test(`workflow code cannot import ${specifier}`, async () => {
    const message = await failure({
      'workflows.ts': `export const a = 1;\nimport * as x from '${specifier}';\nexport async function main() { return x; }`,
    });
    assert.ok(
      message.includes(
        `workflows.ts:2: '${specifier}' must not be imported by workflow code (workflows.ts → ${specifier}). `,
      ),
    );
    assert.ok(message.includes(`Move the code that needs it to an activity, or pass ignoreModules: ['${specifier}']`));
  });
}

test('all disallowed imports are reported at once, require and import() included', async () => {
  const message = await failure({
    'workflows.ts': `import 'node:net';\nexport async function main() { return [require('node:os'), await import('node:dns')]; }`,
  });
  assert.deepEqual(message.match(/'node:\w+' must not/g), [
    "'node:net' must not",
    "'node:dns' must not",
    "'node:os' must not",
  ]);
});

const library = {
  'node_modules/lib/package.json': '{"name":"lib","main":"index.js"}',
  'node_modules/lib/index.js': `const os = require('os');\nexports.double = (x) => x * 2;\nexports.host = () => os.hostname();`,
};

test('a package that uses a built-in is rejected by name', async () => {
  const message = await failure({
    'workflows.ts': `import { double } from 'lib'; export const main = async () => double(2);`,
    ...library,
  });
  assert.match(
    message,
    /node_modules\/lib\/index\.js:1: 'os' must not .* \(workflows\.ts → node_modules\/lib\/index\.js → os\)\./,
  );
  assert.match(message, /Call 'lib' from an activity instead, or pass ignoreModules: \['os'\]/);
});

test('an ignored module is empty', async () => {
  const files = {
    'workflows.ts': `import { double } from 'lib'; export const main = async () => double(2);`,
    ...library,
  };
  assert.equal(runOnce(await sandboxOf(files, { ignoreModules: ['os'] }), 'main'), 4);
});

test('a package with a browser build without built-ins is bundled with that build', async () => {
  const sandbox = await sandboxOf({
    'workflows.ts': `import lib from 'lib'; import { emitter } from 'lib/emitter.js'; export const main = async () => [lib(), emitter];`,
    'node_modules/lib/package.json': '{"name":"lib","main":"node.js","browser":{"./node.js":"./plain.js","fs":false}}',
    'node_modules/lib/node.js': `module.exports = require('crypto');`,
    'node_modules/lib/plain.js': `require('fs'); module.exports = () => process.env.NODE_ENV;`,
    'node_modules/lib/emitter.js': `exports.emitter = require('events').kind;`,
    'node_modules/events/index.js': `exports.kind = 'stand-in for events';`,
  });
  assert.deepEqual(runOnce(sandbox, 'main'), ['production', 'stand-in for events']);
});

test('the deterministic parts of assert, url and util are available', async () => {
  const sandbox = await sandboxOf(`
    import assert, { strictEqual, AssertionError } from 'node:assert';
    import { URL as NodeUrl } from 'url';
    import { TextEncoder as Encoder } from 'node:util';
    async function messageOf(work: () => unknown) {
      try { await work(); return 'nothing thrown'; } catch (error) { return [error instanceof AssertionError, (error as Error).message.split('\\n')[0]]; }
    }
    export async function main() {
      assert.deepEqual({ a: [1] }, { a: [1] });
      assert.throws(() => { throw new TypeError('x'); }, TypeError);
      await assert.rejects(async () => { throw new Error('y'); }, /y/);
      return [
        await messageOf(() => assert(0)), await messageOf(() => assert.ok(false, 'mine')), await messageOf(() => strictEqual(1, 2)),
        await messageOf(() => assert.rejects(Promise.resolve(1))), NodeUrl === URL, Encoder === TextEncoder,
      ];
    }
  `);
  assert.deepEqual(runOnce(sandbox, 'main'), [
    [true, 'The expression evaluated to a falsy value'],
    [true, 'mine'],
    [true, 'Expected values to be strictly equal:'],
    [true, 'Missing expected exception.'],
    true,
    true,
  ]);
  const message = await failure({
    'workflows.ts': `\nimport { inspect } from 'util';\nexport const main = async () => inspect(1);`,
  });
  assert.match(message, /workflows\.ts:2:10: workflow code cannot use 'inspect' of 'util'/);
});

test('a syntax error is reported with file, line and column', async () => {
  const message = await failure({
    'workflows.ts': `import './broken.ts';`,
    'broken.ts': 'export const a = 1;\nexport const b = = 2;',
  });
  assert.match(message, /broken\.ts:2:18: Unexpected "="/);
});

test('a violation of strict mode is reported with its place', async () => {
  const message = await failure({
    'workflows.ts': `import old from './old.cjs'; export const main = async () => old;`,
    'old.cjs': 'var a = 1;\nmodule.exports = function (x) { delete a; return x; };',
  });
  assert.match(message, /old\.cjs:2:\d+: Deleting local variable in strict mode .*runs in strict mode/);
});

test('a missing module is reported with its import', async () => {
  const message = await failure({
    'workflows.ts': `\n\nimport { a } from './gone.ts'; export const main = async () => a;`,
  });
  assert.match(message, /workflows\.ts:3:19: Could not resolve "\.\/gone\.ts"/);
});

test('a missing workflows file is reported by name', async () => {
  await assert.rejects(bundleWorkflowCode({ workflowsPath: '/nowhere/workflows.ts' }), {
    code: 'BUNDLE_FAILED',
    message: /workflowsPath \/nowhere\/workflows\.ts does not exist/,
  });
});

test('workflows may be TypeScript or JavaScript, ES module or CommonJS', async () => {
  const sources: Files[] = [
    { 'w.ts': `enum E { A = 'a' } export async function main(): Promise<string> { return E.A satisfies string; }` },
    {
      'w.mts': `import { a } from './a.mjs'; export async function main() { return a; }`,
      'a.mts': `export const a = 'a';`,
    },
    {
      'w.js': `export async function main() { return (await import('./a.js')).default; }`,
      'a.js': `export default 'a';`,
    },
    { 'w.mjs': `import a from './a.cjs'; export const main = async () => a.a;`, 'a.cjs': `exports.a = 'a';` },
    {
      'w.cjs': `const { sleep } = require('reprise/workflow'); exports.main = async () => typeof sleep === 'function' && 'a';`,
    },
    { 'w.cjs': `module.exports = { async main() { return 'a'; } };` },
  ];
  for (const files of sources) assert.equal(runOnce(await sandboxOf(files), 'main'), 'a', JSON.stringify(files));
});

test('JSON may be imported', async () => {
  const sandbox = await sandboxOf({
    'workflows.ts': `import rates from './rates.json' with { type: 'json' }; export const main = async () => rates.usd;`,
    'rates.json': '{"usd":1.5}',
  });
  assert.equal(runOnce(sandbox, 'main'), 1.5);
});

test('functions and classes keep their names', async () => {
  const sandbox = await sandboxOf({
    'workflows.ts': `
      import { same as other, Kind as OtherKind } from './other.ts';
      function same() {}
      class Kind {}
      const arrow = () => 1;
      const object = { method() {}, property: () => 1, 'quoted-key': function () {} };
      class Fields { field = () => 1; static #hidden = () => 2; static hidden() { return this.#hidden; } }
      export default async function () {
        const inner = async () => 1;
        const bracketed = ((x: number) => x);
        return [other, same, Kind, OtherKind, arrow, object.method, object.property, object['quoted-key'], new Fields().field,
          Fields, Fields.hidden(), inner, bracketed].map((f) => f.name);
      }`,
    'other.ts': 'export function same() {}\nexport const Kind = class {};',
  });
  assert.deepEqual(runOnce(sandbox, 'whatever'), [
    'same',
    'same',
    'Kind',
    'Kind',
    'arrow',
    'method',
    'property',
    'quoted-key',
    'field',
    'Fields',
    '#hidden',
    'inner',
    'bracketed',
  ]);
});

test('a path may be a URL, and the same code gives the same hash in any folder', async () => {
  const files = { 'src/workflows.ts': `import ms from 'ms'; export const main = async () => ms('1s');` };
  const [one, two] = await Promise.all(
    [writePackage(files), writePackage(files)].map((root) => {
      return bundleWorkflowCode({ workflowsPath: pathToFileURL(join(root, 'src/workflows.ts')) });
    }),
  );
  assert.equal(one?.hash, two?.hash);
  assert.equal(one?.code, two?.code);
  assert.match(one?.hash ?? '', /^[0-9a-f]{64}$/);
});

test('a prebuilt bundle is loaded from its JSON, as text or from a file', async () => {
  const root = writePackage({ 'workflows.ts': `export async function main() { return 'ahead'; }` });
  const bundle = await bundleWorkflowCode({ workflowsPath: join(root, 'workflows.ts') });
  const codePath = join(root, 'bundle.json');
  writeFileSync(codePath, JSON.stringify(bundle));
  for (const option of [bundle, { code: JSON.stringify(bundle) }, { codePath }]) {
    const sandbox = Sandbox.create(loadBundle(option));
    assert.equal(runOnce(sandbox, 'main'), 'ahead');
    sandbox.dispose();
  }
  assert.throws(() => loadBundle({ code: 'export const a = 1' }), {
    code: 'BUNDLE_FAILED',
    message: /Cannot read .*JSON\.stringify/,
  });
  assert.throws(() => loadBundle({ codePath: join(root, 'gone') }), { code: 'BUNDLE_FAILED', message: /gone/ });
  assert.throws(() => loadBundle({ ...bundle, code: `${bundle.code};` }), {
    code: 'BUNDLE_FAILED',
    message: /does not match its hash/,
  });
});
