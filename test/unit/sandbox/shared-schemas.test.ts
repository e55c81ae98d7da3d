// Schemas of zod that stand at the top of a module are made once for all runs; nothing else is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from 'node:path';
import { bundleWorkflowCode } from '../../../runtime/sandbox/bundle/bundle.ts';
import { runOnce, sandboxOf, writePackage } from './workflow-files.ts';

/** Whether `X` is made once for all runs. */
async function isShared(code: string): Promise<boolean> {
  const isUsed = code.includes('X.') || code.includes('X)') || code.includes('X }');
  const workflows = `
import { defineContext } from 'reprise/workflow';
import { z } from 'zod';
import * as all from 'zod';
import defaultZod, { object as makeObject, string as makeString } from 'zod';
const Line = z.object({ sku: z.string(), count: z.number().int().positive() });
let changing = z.string();
changing = z.string().min(2);
const local = { a: 1 };
${code}
export async function main() { return [${isUsed ? '' : 'X.parse(1), '}defineContext, all.config, defaultZod, makeObject, makeString, changing, local].length; }`;
  const root = writePackage({ 'workflows.ts': workflows });
  const bundle = await bundleWorkflowCode({ workflowsPath: join(root, 'workflows.ts') });
  return /\bX = __repriseShared\[/.test(bundle.code);
}

const shared: Record<string, string> = {
  'an object of builders': `const X = z.object({ id: z.uuid(), at: z.iso.datetime(), n: z.coerce.number().min(-1), kind: z.enum(['a', 'b']) });`,
  'one that uses another': 'const X = z.array(Line).nonempty();',
  'one derived from another': 'const X = Line.pick({ sku: true }).extend({ of: Line.shape.count, ...Line.shape });',
  'a namespace import': 'const X = all.union([all.string(), all.null()]);',
  'a default import': 'const X = defaultZod.string();',
  'named imports': 'const X = makeObject({ a: makeString() });',
  'an exported one': 'export const X = z.string().describe(`text`);',
  'a regular expression': 'const X = z.string().regex(/^a+$/);',
  'a plain default': `const X = z.string().default('a');`,
  'the schema of a context':
    'const X = z.object({ a: z.number() });\nexport const c = defineContext({ a: 1 }, { schema: X });',
  'one that checks':
    'const X = z.object({ a: z.number() });\nexport const check = (v: unknown) => [X.parse(v), X.safeParse(v).success];',
  'one whose name is a member elsewhere':
    'const X = z.string();\nexport const f = (o: { X: string }) => [o.X, X.parse(o), { X: 1 }];',
  'one that a shared one uses':
    'const X = z.string();\nconst Y = z.array(X);\nexport const f = (v: unknown) => Y.parse(v);',
};

for (const [name, code] of Object.entries(shared)) {
  test(`made once for all runs: ${name}`, async () => {
    assert.equal(await isShared(code), true);
  });
}

const own: Record<string, string> = {
  'one whose options are read': `const X = z.enum(['a', 'b']);\nexport const f = () => X.options;`,
  'one that is handed on': 'const X = z.string();\nexport const f = () => z.toJSONSchema(X);',
  'one that a schema of the run uses':
    'const X = z.string();\nconst Y = z.array(X).refine((v) => v.length > 1);\nexport const f = (v: unknown) => Y.parse(v);',
  'one that a schema uses whose parts are read':
    'const X = z.string();\nconst Y = z.array(X);\nexport const f = () => Y.element;',
  'one with a member set':
    'const X = z.string();\n(X as unknown as { note: string }).note = "";\nexport const f = (v: unknown) => X.parse(v);',
  'one in an object': 'const X = z.string();\nexport const f = () => ({ X }.X.parse("a"));',
  'one under a computed name': 'const X = z.string();\nexport const f = (name: "parse") => X[name]("a");',
  'another name of it': 'const X = z.string();\nconst Z = X;\nexport const f = () => Z.parse("a");',
  'a value parsed': 'const X = Line.parse({ sku: "a", count: 1 });',
  'a schema with a function': 'const X = z.string().refine((s) => s.length > 1);',
  'a getter': 'const X = z.object({ get next() { return z.string(); } });',
  'a schema that holds a value of the module': 'const X = z.object({ a: z.any().default(local) });',
  'a default that a parse gives out': 'const X = z.object({ a: z.any().default({ list: [] }) });',
  'a default in place': 'const X = z.array(z.any()).catch([]);',
  'a variable that is assigned to':
    'let X = z.string();\nfunction change() { X = z.string(); }\nif (local.a > 1) change();',
  'what uses such a variable': 'const X = z.array(changing);',
  'a registry': 'const X = z.registry();',
  'metadata that a run could change': 'const X = z.string().meta({ list: [] });',
  'what has members set on it': 'const X = Object.assign(z.string(), { note: 1 });',
  'what only looks like zod':
    'const fake = { object: (shape: object) => ({ ...shape }) };\nconst X = fake.object({ a: 1 });',
  'an object': 'const X = { a: z.string() };',
  'a spread of the module': 'const parts = { a: z.string() };\nconst X = z.object({ ...parts });',
  'a computed member': `const X = z['string']();`,
  'a class made of one': 'class X { static schema = z.string(); }',
};

for (const [name, code] of Object.entries(own)) {
  test(`made in every run: ${name}`, async () => {
    assert.equal(await isShared(code), false);
  });
}

test('what a run does to a schema stays in it', async () => {
  const sandbox = await sandboxOf(`
import { z } from 'zod';
const Severity = z.enum(['low', 'mid', 'high']);
export async function main() { return [Severity.options.reverse()[0], Severity.parse('low')]; }`);
  assert.deepEqual(runOnce(sandbox, 'main'), ['high', 'low']);
  assert.deepEqual(runOnce(sandbox, 'main'), ['high', 'low']);
});

test('a shared schema checks in every run what it would check if it were made there', async () => {
  const sandbox = await sandboxOf(`
import { z } from 'zod';
const Order = z.object({ id: z.string(), lines: z.array(z.object({ count: z.number() })) }).strict();
export async function main(input: unknown) {
  const parsed = Order.safeParse(input);
  return parsed.success ? parsed.data : parsed.error.issues.map(({ path, code }) => [path, code]);
}`);
  for (let i = 0; i < 3; i++) {
    const order = { id: 'a', lines: [{ count: i }] };
    assert.deepEqual(runOnce(sandbox, 'main', [order]), order);
    assert.deepEqual(runOnce(sandbox, 'main', [{ id: 1, lines: [] }]), [[['id'], 'invalid_type']]);
  }
});
