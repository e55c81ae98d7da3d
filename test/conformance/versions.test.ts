// Which code changes open runs can follow, and versions within workflow code. Behaviors 56, 57 and 58 of
// docs/behaviors.md. test/unit/sandbox/divergence.test.ts covers the error texts of divergences.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { WorkflowHandle } from 'reprise/client';
import { bundleWorkflowCode, type WorkflowBundle } from 'reprise/worker';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { writePackage } from '../unit/sandbox/workflow-files.ts';
import { until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';
import { behavior, taskFailureOf, typesOf, type Way, ways } from './ways.ts';

const head = `import { condition, defineQuery, defineSignal, deprecatePatch, log, patched, proxyActivities, setHandler, sleep,
  upsertMemo } from 'reprise/workflow';
const { hello, echo } = proxyActivities<Record<string, (word: unknown) => Promise<string>>>({ startToCloseTimeout: '1m' });
const own = proxyActivities<Record<string, (word: unknown) => Promise<string>>>({ startToCloseTimeout: '1m', activityId: 'own' });
const patient = proxyActivities<Record<string, (word: unknown) => Promise<string>>>({ startToCloseTimeout: '9m' });
function steps() {
  let count = 0;
  setHandler(defineSignal('go'), () => void count++);
  return (n: number) => condition(() => count >= n);
}
`;
interface Code {
  readonly bundle: WorkflowBundle;
  readonly sandbox: Sandbox;
}
async function codeOf(body: string): Promise<Code> {
  const bundle = await bundleWorkflowCode({
    workflowsPath: join(writePackage({ 'workflows.ts': head + body }), 'workflows.ts'),
  });
  return { bundle, sandbox: Sandbox.create(bundle) };
}
const all = await ways();

/** Runs a worker with this code on a task queue for the duration of `work`. */
const on = <T>(way: Way, taskQueue: string, { bundle }: Code, work: () => Promise<T>): Promise<T> =>
  way.serve(taskQueue, work, { workflowBundle: bundle });

/** Waits until the run has done a turn and has no pending activity. */
const waits = (handle: WorkflowHandle): Promise<boolean> =>
  until(async () => {
    const { pendingActivities, historyLength } = await handle.describe();
    return historyLength > 1 && pendingActivities.length === 0;
  });
const markers = async (handle: WorkflowHandle): Promise<number> =>
  (await typesOf(handle)).filter((type) => type === 'VersionMarked').length;

const gate = (first: string): string => `export async function order() {
  const step = steps();
  const first = ${first};
  await step(1);
  return first + (await hello('end'));
}
`;
const gates = {
  before: await codeOf(gate("await hello('old')")),
  gated: await codeOf(gate("patched('v2') && patched('v2') ? await echo('new') : await hello('old')")),
  deprecated: await codeOf(gate("(deprecatePatch('v2'), await echo('new'))")),
  after: await codeOf(gate("await echo('new')")),
};

behavior(all, '57: a change can be gated, deprecated and removed while runs are open', async (way) => {
  const taskQueue = way.newId('gates');
  const start = async (): Promise<WorkflowHandle> => {
    const handle = await way.start('order', [], { taskQueue });
    await waits(handle);
    return handle;
  };
  const end = async (handle: WorkflowHandle, ...codes: readonly Code[]): Promise<unknown> => {
    await handle.signal('go');
    const result = await handle.result();
    for (const { sandbox } of codes) await assertReplays(way.engine.connection.database, handle.runId!, sandbox);
    return result;
  };
  const { before, gated, deprecated, after } = gates;
  const old = await on(way, taskQueue, before, start);
  const [taken, left] = await on(way, taskQueue, gated, async () => {
    const started = await Promise.all([start(), start()]);
    assert.equal(await end(old, before, gated), 'Hello, old!Hello, end!');
    return started;
  });
  assert.deepEqual([await markers(old), await markers(taken), await markers(left)], [0, 1, 1]);
  const marked = await on(way, taskQueue, deprecated, async () => {
    const started = await start();
    assert.equal(await end(taken, gated, deprecated), 'newHello, end!');
    return started;
  });
  await assert.rejects(assertReplays(way.engine.connection.database, taken.runId!, after.sandbox), /VersionMarked/);
  await on(way, taskQueue, after, async () => {
    assert.equal(await end(marked, gated, deprecated, after), 'newHello, end!');
    assert.equal(await markers(marked), 1);
    const unmarked = await start();
    assert.equal(await end(unmarked, after, deprecated), 'newHello, end!');
    await left.signal('go');
    const { code, message } = await taskFailureOf(left);
    assert.equal(code, 'DETERMINISM');
    assert.match(message, /VersionMarked/);
    await left.terminate();
  });
});

const loop = (taken: string): string => `export async function loops() {
  const step = steps();
  const taken: boolean[] = [];
  for (let i = 1; i <= 4; i++) {
    ${taken}
    await hello('x');
    await step(i);
  }
  return taken;
}
let early = 'not refused';
try { patched('early'); } catch (error) { early = String(error); }
export async function tellsEarly() { return early; }
`;
const loops = { before: await codeOf(loop('')), after: await codeOf(loop("taken.push(patched('loop'));")) };

behavior(all, '57: patched() remembers true, but not false', async (way) => {
  const taskQueue = way.newId('loops');
  const handle = await on(way, taskQueue, loops.before, async () => {
    const started = await way.start('loops', [], { taskQueue });
    await waits(started);
    await started.signal('go');
    await until(async () => (await typesOf(started)).filter((type) => type === 'ActivityCompleted').length === 2);
    return started;
  });
  await on(way, taskQueue, loops.after, async () => {
    for (let i = 0; i < 3; i++) await handle.signal('go');
    assert.deepEqual(await handle.result(), [false, false, true, true]);
  });
  assert.equal(await markers(handle), 1);
  await assertReplays(way.engine.connection.database, handle.runId!, loops.after.sandbox);
});

behavior(all, '57: patched() cannot be called at module level', async (way) => {
  const taskQueue = way.newId('early');
  await on(way, taskQueue, loops.after, async () => {
    const handle = await way.start('tellsEarly', [], { taskQueue });
    assert.equal(await handle.result(), 'IllegalStateError: Patches cannot be used before Workflow starts');
    await assertReplays(way.engine.connection.database, handle.runId!, loops.after.sandbox);
  });
});

const base = "await hello('x'); void sleep('1 day'); upsertMemo({ a: 1 });";
/** The changed code, by the name of the change. */
const changes = {
  input: base.replace("'x'", "'y'"),
  'duration of a timer': base.replace('1 day', '2 days'),
  memo: base.replace('a: 1', 'a: 2'),
  options: base.replace('hello', 'patient.hello'),
  'log and query': `log.info('new'); setHandler(defineQuery('new'), () => 1); ${base} log.info('new');`,
  order: "void sleep('1 day'); await hello('x'); upsertMemo({ a: 1 });",
  type: base.replace('hello', 'echo'),
  id: base.replace('hello', 'own.hello'),
  removed: base.replace("void sleep('1 day');", ''),
  added: `${base} void sleep('1 day');`,
};
const allowed = new Set(['input', 'duration of a timer', 'memo', 'options', 'log and query']);
const names = Object.keys(changes);
const workflows = (bodies: readonly string[]): string =>
  bodies
    .map(
      (body, index) =>
        `export async function w${index}() { const step = steps(); ${body} await step(1); return 'done'; }`,
    )
    .join('\n');
const buggy = (bug: string): string =>
  `export async function heals() { const step = steps(); ${bug} await step(1); return 'healed'; }\n`;
const was = await codeOf(workflows(names.map(() => base)) + buggy("throw new TypeError('a bug');"));
const is = await codeOf(workflows(Object.values(changes)) + buggy(''));

behavior(all, '56, 58: changed code continues open runs, or fails their tasks until it is fixed', async (way) => {
  const taskQueue = way.newId('changes');
  const { database } = way.engine.connection;
  const [handles, healing] = await on(way, taskQueue, was, async () => {
    const started = await Promise.all(names.map((_, index) => way.start(`w${index}`, [], { taskQueue })));
    const failing = await way.start('heals', [], { taskQueue });
    assert.match((await taskFailureOf(failing)).message, /a bug/);
    await failing.signal('go');
    for (const handle of started) await until(async () => (await typesOf(handle)).includes('MemoUpserted'));
    return [started, failing] as const;
  });
  await on(way, taskQueue, is, async () => {
    await Promise.all(handles.map((handle) => handle.signal('go')));
    for (const [index, name] of names.entries()) {
      const handle = handles[index]!;
      if (allowed.has(name)) {
        assert.equal(await handle.result(), 'done', name);
        for (const { sandbox } of [was, is]) await assertReplays(database, handle.runId!, sandbox);
      } else {
        assert.equal((await taskFailureOf(handle)).code, 'DETERMINISM', name);
        assert.equal((await handle.describe()).status.name, 'RUNNING');
        await assert.rejects(assertReplays(database, handle.runId!, is.sandbox), /Nondeterminism error/, name);
      }
    }
    assert.equal(await healing.result(), 'healed');
    await assertReplays(database, healing.runId!, is.sandbox);
  });
  await on(way, taskQueue, was, async () => {
    for (const [index, name] of names.entries()) {
      if (allowed.has(name)) continue;
      assert.equal(await handles[index]!.result(), 'done', `${name} goes on with the code that it had`);
      await assertReplays(database, handles[index]!.runId!, was.sandbox);
    }
  });
});

behavior(all, '56: an unknown workflow type fails the task until a worker has it', async (way) => {
  const taskQueue = way.newId('unknown');
  const handle = await way.start('heals', [], { taskQueue });
  await way.serve(taskQueue, async () => {
    const { code, message } = await taskFailureOf(handle);
    assert.equal(code, 'WORKFLOW_TYPE_NOT_FOUND');
    const text = "Failed to initialize workflow of type 'heals': no such function is exported by the workflow bundle";
    assert.equal(message.slice(0, text.length), text);
  });
  assert.equal((await handle.describe()).status.name, 'RUNNING');
  await handle.signal('go');
  assert.equal(await on(way, taskQueue, is, () => handle.result()), 'healed');
  await assertReplays(way.engine.connection.database, handle.runId!, is.sandbox);
});
