// Schemas of zod that stand at the top of a module are made once for all runs; nothing else is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runOnce, sandboxOf } from './workflow-files.ts';

/** Says whether a value was seen before, in any run. */
const memory = `
const seen = new WeakSet<object>();
export function wasSeen(value: object): boolean { const before = seen.has(value); seen.add(value); return before; }
`;

/** Whether a second run finds the `X` of the first. */
async function isShared(code: string): Promise<boolean> {
  const workflows = `
import { z } from 'zod';
import * as all from 'zod';
import defaultZod, { object as makeObject, string as makeString } from 'zod';
import { wasSeen } from './memory.ts';
const Line = z.object({ sku: z.string(), count: z.number().int().positive() });
let changing = z.string();
changing = z.string().min(2);
const local = { a: 1 };
${code}
export async function main() { return [wasSeen(X), all.config !== undefined, defaultZod, makeObject, makeString, changing, local].slice(0, 1); }`;
  const files = { 'workflows.ts': workflows, 'memory.ts': memory };
  const sandbox = await sandboxOf(files, { preloadModules: ['./memory.ts'] });
  assert.deepEqual(runOnce(sandbox, 'main'), [false]);
  const [again] = runOnce(sandbox, 'main') as [boolean];
  return again;
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
};

for (const [name, code] of Object.entries(shared)) {
  test(`made once for all runs: ${name}`, async () => {
    assert.equal(await isShared(code), true);
  });
}

const own: Record<string, string> = {
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
