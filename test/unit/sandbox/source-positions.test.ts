// Stacks of workflow code name the lines in the user's sources.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskFailure } from '../../../runtime/core/log/activation.ts';
import { withoutInsertions } from '../../../runtime/sandbox/stacks/source-positions.ts';
import { runOnce, sandboxOf } from './workflow-files.ts';

const files = {
  'src/workflows.ts': `import { check } from './lib/check.ts';
interface Input { readonly amount: number }
type Unused = Input | undefined;

export async function order(input: Input): Promise<void> {
  for (const step of [1, 2]) if (step > 0) await Promise.resolve().then(() => check(input.amount as number, { deep: true }));
}
export async function shown(): Promise<string> { return new Error('here').stack ?? ''; }
`,
  'src/lib/check.ts': `// A comment that is gone in the bundle.
export const check = (amount: number, _: object): number => amount > 0 ? amount : fail<never>(\`amount \${amount}\`);
const fail = <T>(text: string): T => { throw new RangeError(text); };
`,
};
const sandbox = await sandboxOf(files);

test('a failure is mapped to file, line and column of the source', () => {
  const { code, message, stack } = runOnce(sandbox, 'order', [{ amount: -1 }]) as TaskFailure;
  assert.deepEqual([code, message], ['WORKFLOW_ERROR', 'RangeError: amount -1']);
  const frames = (stack ?? '').split('\n').map((line) => line.trim());
  const column = (file: keyof typeof files, line: number, text: string): number => {
    return files[file].split('\n')[line - 1]!.indexOf(text) + 1;
  };
  assert.deepEqual(frames, [
    'RangeError: amount -1',
    `at fail (src/lib/check.ts:3:${column('src/lib/check.ts', 3, 'new RangeError')})`,
    `at check (src/lib/check.ts:2:${column('src/lib/check.ts', 2, 'fail<never>')})`,
    `at src/workflows.ts:6:${column('src/workflows.ts', 6, 'check(input')}`,
    'at async order (src/workflows.ts:6:44)',
  ]);
});

test('a stack that workflow code returns can be mapped later', () => {
  const stack = runOnce(sandbox, 'shown') as string;
  assert.match(stack, /reprise-workflows-\w+\.js:\d+:\d+/);
  assert.match(sandbox.mapStack(stack), /^Error: here\n\s+at shown \(src\/workflows\.ts:8:57\)/);
});

test('positions outside of any source stay as they are', () => {
  assert.equal(sandbox.mapStack('Error: x\n    at f (elsewhere.js:1:2)'), 'Error: x\n    at f (elsewhere.js:1:2)');
});

test('code that the engine inserted can be removed again', () => {
  const edited =
    'function f() { __repriseGuard();return (x) => (__repriseGuard(),{ a: x }/*reprise*/); for (;;) {__repriseGuard();;/*reprise*/} }';
  assert.equal(withoutInsertions(edited), 'function f() { return (x) => { a: x }; for (;;) ; }');
});

test('an error in a schema at the top of a module names its line, in every run', async () => {
  const broken = await sandboxOf(
    `import { z } from 'zod';\n  const Order = z.enum(null as never);\nexport async function main() { return Order; }`,
  );
  for (const runId of ['first', 'second']) {
    const { stack } = runOnce(broken, 'main', [], { runId }) as TaskFailure;
    assert.match(stack ?? '', /workflows\.ts:2:19/);
  }
});
