// Modules that are evaluated once for all runs of a sandbox.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleWorkflowCode } from '../../../runtime/sandbox/bundle/bundle.ts';
import { runOnce, sandboxOf, writePackage } from './workflow-files.ts';

const zodWorkflow = `
import * as z from 'zod';
import { z as named } from 'zod';
z.config({ customError: undefined });
const Tree: z.ZodType<{ value: number; next: object | null }> = z.lazy(() => z.object({ value: z.number(), next: Tree.nullable() }));
const Order = z.object({
  id: z.uuid(), email: z.email(), lines: z.array(z.object({ sku: z.string().min(2), count: z.number().int().positive() })),
  at: z.coerce.date(), kind: z.enum(['a', 'b']).default('a'), note: z.string().nullish(), total: z.bigint().optional(),
  tags: z.set(z.string()), prices: z.map(z.string(), z.number()), extra: z.record(z.string(), z.unknown()), pair: z.tuple([z.string(), z.number()]),
  either: z.discriminatedUnion('t', [z.object({ t: z.literal('x') }), z.object({ t: z.literal('y'), n: z.number() })]),
}).strict().describe('an order').meta({ id: 'order' });
export async function parses(order: unknown) {
  const parsed = Order.parse(order);
  let thrown: unknown;
  try { Order.parse({ lines: [{ sku: 'x', count: 0 }] }); } catch (error) { thrown = error; }
  return [
    parsed.kind, parsed.at instanceof Date, Order.description, thrown instanceof z.ZodError, thrown instanceof Error,
    (thrown as z.ZodError).issues.length, Tree.parse({ value: 1, next: { value: 2, next: null } }).value,
    named.string().transform((s) => s.length).pipe(z.number().max(2)).safeParse('abc').success,
    await z.string().refine(async (s) => s === 'a').parseAsync('a'), z.prettifyError(thrown as z.ZodError).split('\\n').length > 3,
    Order.pick({ id: true }).extend({ n: z.number() }).partial().parse({}), typeof z.toJSONSchema(z.object({ a: z.string() })),
    typeof z.compile,
  ];
}
`;

test('zod is shared without configuration, and works frozen in every run', async () => {
  const sandbox = await sandboxOf(zodWorkflow);
  const order = {
    id: '123e4567-e89b-42d3-a456-426614174000',
    email: 'a@b.co',
    lines: [{ sku: 'ab', count: 1 }],
    at: '2026-01-01',
    tags: new Set(['a']),
    prices: new Map([['a', 1]]),
    extra: { a: 1 },
    pair: ['a', 1],
    either: { t: 'y', n: 1 },
  };
  const expected = ['a', true, 'an order', true, true, 10, 1, false, 'a', true, {}, 'object', 'function'];
  assert.deepEqual(runOnce(sandbox, 'parses', [order]), expected);
  assert.deepEqual(runOnce(sandbox, 'parses', [order]), expected);
});

test('only the shared bundle contains the code of a shared package', async () => {
  const root = writePackage({
    'workflows.ts': `import * as z from 'zod'; import * as mini from 'zod/mini'; import ms from 'ms';
      export const main = async () => [z.string().parse('a'), mini.string().parse('b'), ms('1s')];`,
  });
  const workflowsPath = join(root, 'workflows.ts');
  const plain = await bundleWorkflowCode({ workflowsPath });
  assert.ok(
    !plain.code.includes('ZodString') && plain.shared.includes('ZodString') && plain.code.includes('/node_modules/ms/'),
  );
  const preloaded = await bundleWorkflowCode({ workflowsPath, preloadModules: ['ms'] });
  assert.ok(!preloaded.code.includes('/node_modules/ms/'));
  const without = await bundleWorkflowCode({
    workflowsPath: join(writePackage({ 'w.ts': 'export const a = 1;' }), 'w.ts'),
  });
  assert.ok(!without.shared.includes('ZodString'));
});

const patching = `
import jsonpatch, { applyPatch, compare } from 'fast-json-patch';
import * as all from 'fast-json-patch';
export async function main() {
  const doc: Record<string, unknown> = { a: 1 };
  const observer = all.observe(doc);
  doc.a = 2;
  let refused: unknown;
  try { applyPatch({ a: 1 }, [{ op: 'test', path: '/a', value: 2 }], true); } catch (error) { refused = error; }
  return [applyPatch({ a: 1 }, [{ op: 'add', path: '/b', value: [1] }]).newDocument, compare({ a: 1 }, {}), all.generate(observer),
    (refused as Error).name, refused instanceof Error, typeof jsonpatch.applyPatch];
}`;

test('fast-json-patch is shared and works frozen', async () => {
  const expected = [
    { a: 1, b: [1] },
    [{ op: 'remove', path: '/a' }],
    [{ op: 'replace', path: '/a', value: 2 }],
    'TEST_OPERATION_FAILED',
    true,
    'function',
  ];
  assert.deepEqual(runOnce(await sandboxOf(patching), 'main'), expected);
});

test('a shared CommonJS package works with import and require', async () => {
  const files = {
    'workflows.ts': `import ms from 'ms'; import * as all from 'ms'; import dependent from 'dependent';
      export const main = async () => [ms('1s'), all.default('2s'), dependent('3s'), dependent.ms === ms];`,
    'node_modules/dependent/package.json': '{"name":"dependent","main":"index.js"}',
    'node_modules/dependent/index.js': `const ms = require('ms'); module.exports = (text) => ms(text); module.exports.ms = ms;`,
  };
  assert.deepEqual(runOnce(await sandboxOf(files, { preloadModules: ['ms'] }), 'main'), [1000, 2000, 3000, true]);
});

test('a dependency keeps its own version of a shared package', async () => {
  const sandbox = await sandboxOf({
    'workflows.ts': `import { kind } from 'dependent'; import * as z from 'zod'; export const main = async () => [kind, typeof z.string];`,
    'node_modules/dependent/package.json': '{"name":"dependent","main":"index.js"}',
    'node_modules/dependent/index.js': `exports.kind = require('zod').kind;`,
    'node_modules/dependent/node_modules/zod/index.js': `exports.kind = 'its own';`,
  });
  assert.deepEqual(runOnce(sandbox, 'main'), ['its own', 'function']);
});

test('a shared file of the user is evaluated once and its plain objects are frozen', async () => {
  const sandbox = await sandboxOf(
    {
      'src/workflows.ts': `
        import { sleep } from 'reprise/workflow';
        import { shared, Input, evaluations, wait } from '../shared.ts';
        import { evaluations as again } from './deeper/again.ts';
        export async function main(input: unknown) {
          let refused = '';
          try { (shared as { a?: number }).a = 1; } catch (error) { refused = (error as Error).message; }
          return [refused, Input.parse(input).n, evaluations === again, wait === sleep, shared.nested.list];
        }
        export async function mark() { evaluations.add('mark'); return evaluations.size; }`,
      'src/deeper/again.ts': `export { evaluations } from '../../shared.ts';`,
      'shared.ts': `
        import * as z from 'zod';
        import { sleep as wait } from 'reprise/workflow';
        export const shared = { nested: { list: [1] } };
        export const Input = z.object({ n: z.number().default(3), inner: z.object({ a: z.string().optional() }).optional() });
        export const evaluations = new Set<string>();
        export { wait };`,
    },
    { preloadModules: ['../shared.ts'] },
  );
  const expected = ['Cannot add property a, object is not extensible', 3, true, true, [1]];
  assert.deepEqual(runOnce(sandbox, 'main', [{ inner: {} }]), expected);
  assert.deepEqual(runOnce(sandbox, 'main', [{ inner: {} }]), expected);
  // State of a shared module is shared, so it must not depend on runs.
  assert.equal(runOnce(sandbox, 'mark'), 1);
});

test('a preloaded module may prepare the realm before it is frozen', async () => {
  const sandbox = await sandboxOf(
    {
      'workflows.ts': 'export const main = async () => [typeof globalThis.polyfill, [3, 1].last()];',
      'polyfill.js': `globalThis.polyfill = () => 1; Array.prototype.last = function () { return this[this.length - 1]; };`,
    },
    { preloadModules: ['./polyfill.js'] },
  );
  assert.deepEqual(runOnce(sandbox, 'main'), ['function', 1]);
});

test('a preloaded module must exist and obey the same rules', async () => {
  const root = writePackage({ 'workflows.ts': 'export const a = 1;', 'bad.ts': `import 'node:fs';` });
  const workflowsPath = join(root, 'workflows.ts');
  await assert.rejects(bundleWorkflowCode({ workflowsPath, preloadModules: ['nowhere'] }), {
    code: 'BUNDLE_FAILED',
    message: /preloadModules names 'nowhere', which cannot be resolved from/,
  });
  await assert.rejects(bundleWorkflowCode({ workflowsPath, preloadModules: ['./bad.ts'] }), {
    code: 'BUNDLE_FAILED',
    message: /bad\.ts:1: 'node:fs' must not be imported by workflow code \(bad\.ts → node:fs\)/,
  });
});

test('an error of a preloaded module is reported', async () => {
  const files = { 'workflows.ts': 'export const a = 1;', 'throws.ts': `throw new Error('not here');` };
  await assert.rejects(sandboxOf(files, { preloadModules: ['./throws.ts'] }), {
    code: 'BUNDLE_FAILED',
    message: /cannot be evaluated: not here\. Preloaded modules run once/,
  });
});

test('a schema of a preloaded file validates in every run like a schema of the run itself', async () => {
  const sandbox = await sandboxOf(
    {
      'workflows.ts': `
        import { Order } from './schemas.ts';
        export async function main(input: unknown) {
          const parsed = Order.safeParse(input);
          return parsed.success ? parsed.data : parsed.error.issues.map(({ path, code }) => [path, code]);
        }`,
      'schemas.ts': `
        import { z } from 'zod';
        export const Order = z.object({ id: z.string(), lines: z.array(z.object({ count: z.number() })) }).strict();`,
    },
    { preloadModules: ['./schemas.ts'] },
  );
  for (let i = 0; i < 3; i++) {
    const order = { id: 'a', lines: [{ count: i }] };
    assert.deepEqual(runOnce(sandbox, 'main', [order]), order);
    assert.deepEqual(runOnce(sandbox, 'main', [{ id: 1, lines: [] }]), [[['id'], 'invalid_type']]);
  }
});

test("a run's changes to a schema of its workflow file stay in that run", async () => {
  const sandbox = await sandboxOf(`
import { z } from 'zod';
const Severity = z.enum(['low', 'mid', 'high']);
export async function main() { return [Severity.options.reverse()[0], Severity.parse('low')]; }`);
  assert.deepEqual(runOnce(sandbox, 'main'), ['high', 'low']);
  assert.deepEqual(runOnce(sandbox, 'main'), ['high', 'low']);
});
