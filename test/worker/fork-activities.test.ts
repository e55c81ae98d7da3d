// What a fork does with activities that are pending at its point: which of them it executes again, which wait for a
// person, and how long they may take.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { activity, ApplicationFailure, patchContext } from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { Worker } from 'reprise/worker';
import { fixtureBundle } from '../support/bundles.ts';
import { quiet, testEngine } from '../support/engine.ts';
import * as fixtures from '../support/fixtures/activities.ts';
import { Forks } from '../support/forks.ts';

/** Lets gated calls end, by name. */
const gates = new Map<string, (() => void)[]>();
const begun: string[] = [];
const failed = new Set<string>();

function gate(name: string): Promise<string> {
  begun.push(name);
  return new Promise((resolve) => gates.set(name, [...(gates.get(name) ?? []), () => resolve(name)]));
}

const activities = {
  ...fixtures,
  gate,
  async stagesBehindGate(name: string): Promise<string> {
    await gate(name);
    patchContext({ op: 'add', path: '/items/-', value: 'staged' });
    return 'staged';
  },
  unsafeGate: activity({ effect: 'unsafe' }, gate),
  async failsOnce(name: string): Promise<string> {
    if (failed.has(name)) return name;
    failed.add(name);
    throw ApplicationFailure.nonRetryable('the first time');
  },
  /** Fails for good with the first edit only. */
  async failsWith(args: { first: number; second: number }): Promise<void> {
    begun.push(JSON.stringify(args));
    const message = 'it always fails';
    throw args.first === 2 && args.second === 1 ? ApplicationFailure.nonRetryable(message) : new Error(message);
  },
};
const workflowBundle = await fixtureBundle('fork-pending.ts');
const engine = await testEngine({ workflowBundle, activities });
const { client, connection } = engine;
const forks = new Forks(engine);

function timesBegun(name: string): number {
  return begun.filter((each) => each === name).length;
}

function open(name: string): void {
  for (const resolve of gates.get(name) ?? []) resolve();
}

/** Resolves when `describe` shows a pending activity of the run that fits. */
async function pending(
  handle: WorkflowHandle,
  fits: (shown: { readonly unknownEffect: boolean; readonly held?: true }) => boolean,
): Promise<void> {
  await engine.until(async () => (await handle.describe()).pendingActivities.find(fits));
}

const latest = ({ workflowId }: { workflowId: string }): WorkflowHandle => client.workflow.getHandle(workflowId);

for (const isClosed of [false, true]) {
  test(`a fork of ${isClosed ? 'a closed' : 'an open'} run leaves an unsafe activity that another worker has begun to a person`, async () => {
    const name = randomUUID();
    const taskQueue = randomUUID();
    const tools = await Worker.create({ connection, taskQueue, activities, logger: quiet });
    await tools.runUntil(async () => {
      const handle = await engine.start('together', [[['unsafeGate', [name], { taskQueue }]]], randomUUID());
      const point = await forks.logged(handle.runId!, ({ type }) => type === 'ActivityAttemptStarted');
      await engine.until(async () => timesBegun(name) > 0);
      if (isClosed) await handle.terminate();
      await handle.rollback({ toSeq: point });
      await pending(latest(handle), ({ unknownEffect }) => unknownEffect);
      // Another call of the queue shows that the worker has looked for tasks since.
      const other = await engine.start('together', [[['echo', ['x'], { taskQueue }]]], randomUUID());
      await other.result();
      assert.equal(timesBegun(name), 1);
      open(name);
      await latest(handle).skip({ activity: 'unsafeGate#1', result: 'settled' });
      assert.deepEqual(await latest(handle).result(), ['settled']);
    });
  });
}

test('a retry executes an unsafe activity that a fork has left to a person, on the queue of the call', async () => {
  const name = randomUUID();
  const taskQueue = randomUUID();
  const tools = await Worker.create({ connection, taskQueue, activities, logger: quiet });
  await tools.runUntil(async () => {
    const handle = await engine.start('together', [[['unsafeGate', [name], { taskQueue }]]], randomUUID());
    const point = await forks.logged(handle.runId!, ({ type }) => type === 'ActivityAttemptStarted');
    await handle.rollback({ toSeq: point });
    await pending(latest(handle), ({ unknownEffect }) => unknownEffect);
    await latest(handle).retry({ activity: 'unsafeGate#1' });
    await engine.until(async () => timesBegun(name) === 2);
    open(name);
    assert.deepEqual(await latest(handle).result(), [name]);
  });
});

test('describe says that an unsafe activity waits for a person in a fork that a worker has', async () => {
  const name = randomUUID();
  const handle = await engine.start('together', [[['unsafeGate', [name]]]], randomUUID());
  await engine.until(async () => timesBegun(name) > 0);
  const point = await forks.seqOf(handle.runId!, ({ type }) => type === 'ActivityScheduled');
  await handle.rollback({ toSeq: point });
  await engine.until(async () => (await latest(handle).describe()).owner !== undefined);
  const [shown] = (await latest(handle).describe()).pendingActivities;
  assert.equal(shown?.unknownEffect, true);
  open(name);
  await latest(handle).terminate();
});

test('an activity that an open run executes waits in every copy, also in a copy of a closed copy', async () => {
  const name = randomUUID();
  const handle = await engine.start('together', [[['gate', [name]]]], randomUUID());
  await engine.until(async () => timesBegun(name) > 0);
  const copy = latest(await handle.fork({ workflowId: randomUUID() }));
  await pending(copy, ({ held }) => held === true);
  await copy.terminate();
  const second = latest(await copy.fork({ workflowId: randomUUID() }));
  await pending(second, ({ held }) => held === true);
  const restarted = latest(await second.rollback({ toSeq: (await second.describe()).historyLength }));
  await pending(restarted, ({ held }) => held === true);
  assert.equal(timesBegun(name), 1);
  await restarted.retry({ activity: 'gate#1' });
  await engine.until(async () => timesBegun(name) === 2);
  open(name);
  assert.deepEqual(await handle.result(), [name]);
  assert.deepEqual(await restarted.result(), [name]);
});

test('the code of a copy can cancel an activity that waits for a person', async () => {
  const name = randomUUID();
  const handle = await engine.start('cancelsOnSignal', ['gate', [name]], randomUUID());
  await engine.until(async () => timesBegun(name) > 0);
  const copy = latest(await handle.fork({ workflowId: randomUUID() }));
  await copy.signal('go', 'cancel');
  assert.match(String(await copy.result()), /ActivityFailure|Cancelled/);
  assert.equal(timesBegun(name), 1);
  open(name);
  await handle.terminate();
});

test('a fork starts the time limits of pending activities again', async () => {
  const [name, gated] = [randomUUID(), randomUUID()];
  const limits = { scheduleToCloseTimeout: '1 second', retry: { maximumAttempts: 5 } };
  const handle = await engine.start(
    'together',
    [
      [
        ['failsOnce', [name]],
        ['gate', [gated], limits],
      ],
    ],
    randomUUID(),
  );
  await assert.rejects(handle.result());
  const scheduled = (await forks.historyOf(handle.runId!)).findLast(({ type }) => type === 'ActivityScheduled')!;
  await engine.until(async () => Date.now() > scheduled.at / 1000 + 1_100);
  await handle.retry();
  await engine.until(async () => timesBegun(gated) === 2);
  open(gated);
  assert.deepEqual(await latest(handle).result(), [name, gated]);
});

test('a retry of a closed run edits the arguments that an earlier retry has edited', async () => {
  const args = { first: 1, second: 1, id: randomUUID() };
  const retry = { initialInterval: '1 hour', maximumAttempts: 2 };
  const handle = await engine.start('together', [[['failsWith', [args], { retry }]]], randomUUID());
  await engine.until(async () => (await handle.describe()).pendingActivities[0]?.lastFailure);
  await handle.retry({ input: [{ path: '/0/first', value: 2 }] });
  await assert.rejects(handle.result());
  await handle.retry({ input: [{ path: '/0/second', value: 2 }] });
  const edited = JSON.stringify({ ...args, first: 2, second: 2 });
  await engine.until(async () => begun.some((each) => each.includes(args.id) && each.includes('"second":2')));
  await latest(handle).terminate();
  assert.equal(timesBegun(edited), 1);
});

test('a run that the failure of a local activity has closed can be retried', async () => {
  const name = randomUUID();
  const handle = await engine.start('callsLocally', ['failsOnce', [name]], randomUUID());
  await assert.rejects(handle.result());
  await handle.retry();
  assert.equal(await latest(handle).result(), name);
});

test('a fork from before the code uses its context attempts an activity that staged patches again', async () => {
  const [name, second] = [randomUUID(), randomUUID()];
  const calls = [
    ['stagesBehindGate', [name]],
    ['gate', [second]],
  ];
  const handle = await engine.start('attachesLate', calls, randomUUID());
  await engine.until(async () => timesBegun(name) + timesBegun(second) === 2);
  const point = await forks.seqOf(handle.runId!, ({ hash }) => hash !== null);
  open(second);
  await forks.logged(handle.runId!, ({ type }) => type === 'ContextPatched');
  open(name);
  assert.deepEqual(await handle.result(), ['attached', 'staged']);
  await handle.rollback({ toSeq: point });
  await engine.until(async () => timesBegun(name) === 2);
  await forks.logged((await latest(handle).describe()).runId, ({ type }) => type === 'ContextPatched');
  open(name);
  assert.deepEqual(await latest(handle).result(), ['attached', 'staged']);
});

test('a carried result fails when its staged patches do not fit the schema at the point', async () => {
  const [name, second] = [randomUUID(), randomUUID()];
  const handle = await engine.start(
    'allowsLate',
    [
      ['stagesBehindGate', [name]],
      ['gate', [second]],
    ],
    randomUUID(),
  );
  await engine.until(async () => timesBegun(name) + timesBegun(second) === 2);
  const point = await forks.seqOf(handle.runId!, ({ hash }) => hash !== null);
  open(second);
  await forks.logged(handle.runId!, ({ type, ops }) => type === 'ContextPatched' && ops?.includes('limit') === true);
  await forks.logged(handle.runId!, ({ type, answers }) => type === 'ActivityCompleted' && answers !== null);
  open(name);
  assert.deepEqual(await handle.result(), ['staged', { limit: 1, items: ['staged'] }]);
  await handle.rollback({ toSeq: point });
  const { runId } = await latest(handle).describe();
  const [, document] = (await latest(handle).result()) as [string, object];
  const failure = (await forks.historyOf(runId)).find(({ type }) => type === 'ActivityFailed');
  assert.match(String(failure?.reason), /too many items/);
  assert.deepEqual(document, { limit: 1, items: [] });
});
