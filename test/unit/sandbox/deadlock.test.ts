// Code that never waits is interrupted, whatever it catches, and the message names the place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskFailure } from '../../../runtime/core/log/activation.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { decodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';
import { event, outcome, runOnce, sandboxOf, startAt, startRun } from './workflow-files.ts';

const workflows = `import { condition, defineQuery, defineSignal, setHandler, sleep } from 'reprise/workflow';
const forever = (): void => { for (;;) {} };
export async function emptyFor() { for (;;); }
export async function emptyWhile() { while (true) {} }
export async function doWhile() { let n = 0; do n++; while (n > 0); }
export async function forOf() { for (const x of (function* () { for (;;) yield 1; })()) x; }
export async function forIn() { for (;;) for (const key in { a: 1 }) key; }
export async function forAwait() { for await (const x of (async function* () { for (;;) yield 1; })()) x; }
export async function awaits() { while (true) await null; }
export async function awaitsInCatch() { for (;;) { try { await null; } catch { continue; } } }
export async function promiseChain() { const next = (): Promise<void> => Promise.resolve().then(next); await next(); }
export async function thenables() { const again = { then(resolve: (value: unknown) => void) { resolve(again); } }; await again; }
export async function recursion() { const again = async (): Promise<void> => { await null; return again(); }; await again(); }
export async function exponential() { const f = (n: number): number => n < 2 ? n : f(n - 1) + f(n - 2); return f(99); }
export async function swallowed() { for (;;) { try { forever(); } catch { await null; } } }
export async function swallowedTwice() { for (;;) { try { for (;;) { try { for (;;) {} } catch { continue; } } } catch { continue; } } }
export async function finallyContinue() { for (;;) { try { forever(); } finally { continue; } } }
export async function finallyReturn() { try { forever(); } finally { return 'survived'; } }
export async function rejectionLoop() { const again = (): Promise<void> => Promise.reject(1).catch(again); await again(); }
export async function caughtAndReturned() { try { forever(); } catch { return 'survived'; } }
export async function callbacks() { Array.from({ length: 1e9 }, () => 1); }
export async function getters() { const o = { get n(): number { return this.n2 + 1; }, n2: 1 }; let s = 0; while (s >= 0) s += o.n; }
export async function methods() { class C { static { C.spin(); } static spin() { let go = true; while (go) go = true; } } return new C(); }
export async function predicate() { await condition(() => { for (;;) {} }); }
export async function conditionLoop() { let flip = false; for (;;) { flip = !flip; await condition(() => flip || !flip); } }
export async function signalHandler() { setHandler(defineSignal<[]>('spin'), () => forever()); await sleep(1000); }
export async function ends(n: number) { let s = 0; for (let i = 0; i < n; i++) { s += i; if (i % 1000 === 0) await null; } return s; }
export async function queried() {
  let asked = 0;
  setHandler(defineQuery<number, []>('spin'), () => { asked++; try { forever(); } catch { asked++; } return asked; });
  setHandler(defineQuery<void, []>('throwSpin'), () => forever());
  setHandler(defineQuery<number, []>('asked'), () => asked);
  await sleep(1000);
}
`;

const sandbox = await sandboxOf(workflows, { deadlockTimeoutMs: 30 });
const lineOf = (name: string): number => workflows.split('\n').findIndex((line) => line.includes(` ${name}(`)) + 1;

function assertDeadlock(failure: unknown, place: RegExp): void {
  const { code, message, stack } = failure as TaskFailure;
  assert.equal(code, 'DEADLOCK', message);
  assert.match(message, /^Workflow code computed for more than 30 ms without waiting: run .* was interrupted at /);
  assert.match(message, place);
  assert.ok(!message.includes('__repriseGuard') && !/node:|file:/.test(stack ?? ''), stack);
}

const own = [
  'emptyFor',
  'emptyWhile',
  'doWhile',
  'forIn',
  'awaits',
  'awaitsInCatch',
  'promiseChain',
  'thenables',
  'recursion',
  'exponential',
  'swallowedTwice',
  'rejectionLoop',
  'callbacks',
  'predicate',
  'conditionLoop',
  'forOf',
  'forAwait',
  'getters',
  'methods',
];
for (const name of own) {
  test(`an endless loop is interrupted: ${name}`, () => {
    assertDeadlock(runOnce(sandbox, name), new RegExp(`at .*workflows\\.ts:${lineOf(name)}:\\d+\\)?\\. `));
  });
}

for (const name of ['swallowed', 'finallyContinue', 'finallyReturn', 'caughtAndReturned']) {
  test(`user code cannot swallow the interruption: ${name}`, () => {
    assertDeadlock(runOnce(sandbox, name), /interrupted at forever \(workflows\.ts:2:\d+\)/);
  });
}

test('a loop in a signal handler is interrupted', () => {
  const { run } = startRun(sandbox, 'signalHandler');
  const signal = event(newEvent(3, 'SignalReceived', { name: 'spin', payload: encodePayload([]) }));
  assertDeadlock(
    outcome(run.activate({ at: startAt + 1, inputs: [signal], nextSeq: 4 })),
    /at forever \(workflows\.ts:2:/,
  );
});

test('a loop at module level is interrupted', async () => {
  const loading = await sandboxOf(`\nlet n = 0;\nwhile (n >= 0) n++;\nexport async function main() {}`, {
    deadlockTimeoutMs: 30,
  });
  assertDeadlock(runOnce(loading, 'main'), /workflows\.ts:3:\d+/);
});

test('a loop in a query handler fails the query, even if caught, and does not change the run', () => {
  const { run } = startRun(sandbox, 'queried');
  const ask = (name: string): unknown => {
    const answer = run.query(name, encodePayload([]));
    return answer.ok ? decodePayload(answer.payload) : decodeFailure(answer.failure).message;
  };
  for (const name of ['throwSpin', 'spin']) {
    assert.match(ask(name) as string, /run of queried was interrupted at forever \(workflows\.ts:2:\d+\)\. /);
  }
  assert.equal(ask('asked'), 2);
  const fired = event(newEvent(3, 'TimerFired', { answers: 2 }));
  assert.deepEqual(outcome(run.activate({ at: startAt + 1, inputs: [fired], nextSeq: 4 })), undefined);
});

test('the next activation of any run starts with a fresh guard', async () => {
  const patient = await sandboxOf(workflows, { deadlockTimeoutMs: 1_000 }); // the second run needs enough time
  assert.match((runOnce(patient, 'emptyFor') as TaskFailure).message, /more than 1000 ms .* at emptyFor/);
  assert.equal(runOnce(patient, 'ends', [50_000]), 1_249_975_000);
});

test('an interrupted run does nothing more', () => {
  const { run } = startRun(sandbox, 'swallowed');
  assert.equal(run.activate({ at: startAt + 1, inputs: [], nextSeq: 2 }).ok, false);
});

const places = {
  'src/workflows.ts': `import { defineSignal, defineUpdate, setHandler, sleep } from 'reprise/workflow';
import { spinner } from 'spinning';
export async function named() { let n = 0; while (n >= 0) n++; }
export async function anonymous() {
  const go = true;
  await [() => { while (go); }][0]!();
}
export async function nested() {
  await Promise.resolve().then(function outer() { const inner = () => { for (;;) {} }; inner(); });
}
export async function library() {
  spinner.spin();
}
class Order { async total(): Promise<void> { for (;;) {} } }
export async function method() { await new Order().total(); }
export async function handlers() {
  setHandler(defineSignal('signal'), function onSignal() { for (;;) {} });
  setHandler(defineUpdate<void>('update'), () => undefined, { validator: function onValidate() { for (;;) {} } });
  await sleep(1000);
}
`,
  'node_modules/spinning/package.json': '{"name":"spinning","main":"index.js"}',
  'node_modules/spinning/index.js': 'exports.spinner = { spin() { for (;;) {} } };',
};
const placed = await sandboxOf(places, { deadlockTimeoutMs: 30 });

/** [workflow, place of the interruption] */
const interruptions: [string, RegExp][] = [
  ['named', /at named \(src\/workflows\.ts:3:\d+\)\. /],
  [
    'anonymous',
    /at src\/workflows\.ts:6:\d+ in code without a name, called by anonymous \(src\/workflows\.ts:6:\d+\)\. /,
  ],
  ['nested', /at inner \(src\/workflows\.ts:9:\d+\)\. /],
  [
    'library',
    /at Object\.spin \(node_modules\/spinning\/index\.js:1:\d+\), called by library \(src\/workflows\.ts:12:\d+\)\. /,
  ],
  ['method', /at (?:Order|_Order)\.total \(src\/workflows\.ts:14:\d+\)\. /],
];
for (const [type, place] of interruptions) {
  test(`the message names the running function: ${type}`, () => assertDeadlock(runOnce(placed, type), place));
}

for (const [type, message] of [
  ['SignalReceived', 'onSignal'],
  ['UpdateAccepted', 'onValidate'],
] as const) {
  test(`the message names the running handler: ${message}`, () => {
    const { run } = startRun(placed, 'handlers');
    const name = type === 'SignalReceived' ? 'signal' : 'update';
    const input = event(newEvent(3, type, { name, correlationId: 'u', payload: encodePayload([]) }));
    const result = outcome(run.activate({ at: startAt + 1, inputs: [input], nextSeq: 4 }));
    assertDeadlock(result, new RegExp(`at ${message} \\(src/workflows\\.ts:1[78]:\\d+\\)\\. `));
  });
}

test('the message names code at module level by its line', async () => {
  const files = {
    'src/workflows.ts': `import './lib.ts';\nexport async function main() {}`,
    'src/lib.ts': '\n\nfor (;;) {}',
  };
  const loading = await sandboxOf(files, { deadlockTimeoutMs: 30 });
  assertDeadlock(runOnce(loading, 'main'), /at src\/lib\.ts:3:\d+ in code without a name\. /);
});
