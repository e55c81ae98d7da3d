// What the runs of one sandbox share, and what each run has for itself (behavior 63 of docs/behaviors.md).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { event, outcome, runOnce, sandboxOf, startAt, startRun } from './workflow-files.ts';

const workflows = `
import { defineSignal, setHandler, condition } from 'reprise/workflow';
let moduleCount = 0;
const seen: string[] = [];
export async function counts(times: number) {
  for (let i = 0; i < times; i++) { moduleCount += 1; seen.push('x'); }
  return [moduleCount, seen.length];
}
export async function countsOnSignal() {
  setHandler(defineSignal<[]>('more'), () => { moduleCount += 1; });
  moduleCount += 10;
  await condition(() => moduleCount >= 12);
  return moduleCount;
}
export async function setsGlobals() {
  const before = [typeof globalThis.leaked, 'leaked' in globalThis, Object.keys(globalThis)];
  globalThis.leaked = 1;
  globalThis.Promise = null;
  globalThis['setTimeout'] = 'mine';
  return [...before, globalThis.leaked, globalThis.Promise, globalThis.setTimeout, typeof setTimeout, typeof Promise];
}
export async function seesGlobals() {
  return [typeof globalThis.leaked, globalThis.globalThis === globalThis, globalThis.Map === Map, typeof globalThis.Date,
    typeof process, typeof require, typeof fetch, typeof setInterval, typeof WebAssembly, typeof SharedArrayBuffer];
}
export async function addsTo(name: string) {
  const targets: Record<string, () => object> = {
    object: () => Object.prototype, array: () => Array.prototype, map: () => Map, math: () => Math, json: () => JSON,
    promise: () => Promise.prototype, error: () => Error, date: () => Date.prototype, console: () => console,
    generator: () => Object.getPrototypeOf(function* () {}).prototype, asyncFunction: () => Object.getPrototypeOf(async () => 1),
    typedArray: () => Object.getPrototypeOf(Uint8Array), url: () => URL.prototype, encoder: () => TextEncoder,
    arrayIterator: () => Object.getPrototypeOf([].values()), sdkFunction: () => condition,
  };
  try { (targets[name]!() as { a?: number }).a = 1; } catch (error) { return (error as Error).message; }
  return 'added';
}
export async function changes(what: string) {
  const attempts: Record<string, () => void> = {
    random: () => { Math.random = () => 4; },
    push: () => { Array.prototype.push = () => 4; },
    then: () => { Promise.prototype.then = () => 4 as never; },
    stringify: () => { JSON.stringify = () => '4'; },
    capture: () => { Error.captureStackTrace = () => undefined; },
    toString: () => { Object.prototype.toString = () => '4'; },
    global: () => { (Date as object) = class {}; },
  };
  try { attempts[what]!(); } catch (error) { return (error as Error).name; }
  return 'changed';
}
`;

const sandbox = await sandboxOf(workflows);

test('module state belongs to one run', () => {
  assert.deepEqual(runOnce(sandbox, 'counts', [3]), [3, 3]);
  assert.deepEqual(runOnce(sandbox, 'counts', [2]), [2, 2]);
});

test('module state persists between activations', () => {
  const { run, result } = startRun(sandbox, 'countsOnSignal');
  assert.deepEqual(outcome(result), []);
  runOnce(sandbox, 'counts', [5]);
  const signal = (seq: number) => event(newEvent(seq, 'SignalReceived', { name: 'more', payload: encodePayload([]) }));
  assert.deepEqual(outcome(run.activate({ at: startAt + 1, inputs: [signal(2)], nextSeq: 3 })), []);
  assert.equal(outcome(run.activate({ at: startAt + 2, inputs: [signal(3)], nextSeq: 4 })), 12);
});

test('names that a run sets on globalThis are visible only to that run', () => {
  const mine = ['undefined', false, [], 1, null, 'mine', 'function', 'function'];
  assert.deepEqual(runOnce(sandbox, 'setsGlobals'), mine);
  assert.deepEqual(runOnce(sandbox, 'setsGlobals'), mine);
  const absent = Array.from({ length: 5 }, () => 'undefined');
  assert.deepEqual(runOnce(sandbox, 'seesGlobals'), [
    'undefined',
    true,
    true,
    'function',
    'undefined',
    'function',
    ...absent.slice(1),
  ]);
  assert.equal(Reflect.get(globalThis, 'leaked'), undefined);
});

for (const name of ['object', 'array', 'map', 'math', 'json', 'promise', 'error', 'date', 'console', 'generator']) {
  test(`nothing can be added to a built-in: ${name}`, () => {
    assert.equal(runOnce(sandbox, 'addsTo', [name]), 'Cannot add property a, object is not extensible');
  });
}

for (const name of ['asyncFunction', 'typedArray', 'url', 'encoder', 'arrayIterator', 'sdkFunction']) {
  test(`nothing can be added to shared objects: ${name}`, () => {
    assert.equal(runOnce(sandbox, 'addsTo', [name]), 'Cannot add property a, object is not extensible');
  });
}

for (const what of ['random', 'push', 'then', 'stringify', 'capture', 'toString', 'global']) {
  test(`a built-in cannot be replaced: ${what}`, () => {
    assert.equal(runOnce(sandbox, 'changes', [what]), 'TypeError');
  });
}

test('freezing does not affect the host', () => {
  assert.equal(Object.isFrozen(URL), false);
  assert.equal(Object.isFrozen(URL.prototype), false);
  assert.equal(Object.isFrozen(Object.prototype), false);
  assert.equal(Object.isFrozen(Function.prototype), false);
});

test('inherited properties can still be overridden by assignment', async () => {
  const ordinary = await sandboxOf(`
    class Named extends Error { constructor(message: string) { super(message); this.name = 'Named'; } }
    function Base(this: { x: number }) { this.x = 1; }
    Base.prototype.toString = function () { return 'base'; };
    function Derived(this: object) { Base.call(this as never); }
    Derived.prototype = Object.create(Base.prototype);
    Derived.prototype.constructor = Derived;
    function OldError(this: Error, message: string) { this.message = message; this.name = 'OldError'; }
    OldError.prototype = Object.create(Error.prototype);
    OldError.prototype.constructor = OldError;
    class Fields { toString = () => 'field'; name = 'n'; constructor2 = 1; static override = 1; }
    export async function overrides() {
      const error = new Error();
      error.message = 'm'; error.name = 'E'; error.cause = 1; error.stack = 's';
      const object: Record<string, unknown> = {};
      object.toString = () => 'object'; object.valueOf = () => 7; object.hasOwnProperty = 8; object.constructor = 9;
      const fn = () => 1; fn.toString = () => 'fn'; (fn as { bind: unknown }).bind = 1;
      Error.stackTraceLimit = 3;
      return [
        new Named('a').name, String(new (Derived as never)()), new (OldError as never)('o') + '', String(new Fields()),
        error.message, error.name, error.cause, error.stack, String(object), Object.keys(object), String(fn),
        Object.assign({}, { toString: 1, constructor: 2 }), { ...object, name: 1 }.name,
      ];
    }
    export async function stackTraceLimit() { return Error.stackTraceLimit; }
  `);
  assert.deepEqual(runOnce(ordinary, 'overrides'), [
    'Named',
    'base',
    'OldError: o',
    'field',
    'm',
    'E',
    1,
    's',
    'object',
    ['toString', 'valueOf', 'hasOwnProperty', 'constructor'],
    'fn',
    { toString: 1, constructor: 2 },
    1,
  ]);
  assert.equal(runOnce(ordinary, 'stackTraceLimit'), 25);
});

test('values that reach user code belong to its realm', async () => {
  const realm = await sandboxOf(`
    import assert from 'node:assert';
    export async function kinds(list: unknown, object: unknown, date: unknown, bytes: unknown, map: unknown, error: unknown) {
      let invalid: unknown;
      try { new URL('no url'); } catch (error) { invalid = error; }
      let asserted: unknown;
      try { assert.equal(1, 2); } catch (error) { asserted = error; }
      return [
        list instanceof Array, object instanceof Object, date instanceof Date, bytes instanceof Uint8Array,
        map instanceof Map, error instanceof Error, [1, 2] instanceof Object, invalid instanceof TypeError,
        asserted instanceof Error, (asserted as { code: string }).code, new TextEncoder().encode('é') instanceof Uint8Array,
        new TextDecoder().decode(new TextEncoder().encode('é')), new URL('https://a.b/?c=d').searchParams instanceof URLSearchParams,
      ];
    }
  `);
  const args = [[1], { a: 1 }, new Date(0), new Uint8Array([1]), new Map([[1, 2]]), new Error('e')];
  const expected = [true, true, true, true, true, true, true, true, true, 'ERR_ASSERTION', true, 'é', true];
  assert.deepEqual(runOnce(realm, 'kinds', args), expected);
});

test('values that leave the sandbox belong to the host realm', () => {
  const { run, result } = startRun(sandbox, 'counts', [1]);
  assert.ok(result instanceof Object && result.ok && result.outputs instanceof Array);
  assert.ok(result.outputs[0]?.payload instanceof Uint8Array);
  const answer = run.query('unknown', encodePayload([]));
  assert.ok(answer instanceof Object && !answer.ok && answer.failure instanceof Uint8Array);
});

test('strings cannot be evaluated as code', async () => {
  const strings = await sandboxOf(`export async function evaluates() {
    const errors: string[] = [];
    for (const attempt of [() => eval('1'), () => new Function('return 1')]) {
      try { attempt(); } catch (error) { errors.push((error as Error).name); }
    }
    return errors;
  }`);
  assert.deepEqual(runOnce(strings, 'evaluates'), ['EvalError', 'EvalError']);
});
