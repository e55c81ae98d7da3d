// What a fork does with children of its origin: which of them it starts again, waits for, or hears of.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { ApplicationFailure, Context } from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import * as fixtures from '../support/fixtures/activities.ts';
import { Forks } from '../support/forks.ts';

/** Lets gated calls end, by name. */
const gates = new Map<string, (() => void)[]>();
const failed = new Set<string>();

const activities = {
  ...fixtures,
  gate(name: string): Promise<unknown> {
    const { cancelled } = Context.current();
    const isOpen = new Promise<string>((resolve) => {
      gates.set(name, [...(gates.get(name) ?? []), () => resolve(name)]);
    });
    return Promise.race([isOpen, cancelled]);
  },
  async failsOnce(name: string): Promise<string> {
    if (failed.has(name)) return name;
    failed.add(name);
    throw ApplicationFailure.nonRetryable('the first time');
  },
};
const engine = await testEngine({ workflowBundle: await fixtureBundle('fork-pending.ts'), activities });
const { client } = engine;
const forks = new Forks(engine);

const latest = ({ workflowId }: { workflowId: string }): WorkflowHandle => client.workflow.getHandle(workflowId);

/** Resolves when as many calls of the gate have begun. */
async function atGate(name: string, calls: number): Promise<void> {
  await engine.until(async () => gates.get(name)?.length === calls);
}

function open(name: string): void {
  for (const resolve of gates.get(name) ?? []) resolve();
}

test('a child that started and failed behind the point of a fork starts again', async () => {
  const childId = randomUUID();
  const handle = await engine.start('parentOf', [childId, 'failsOnce', [childId]], randomUUID());
  await assert.rejects(handle.result());
  const point = await forks.seqOf(handle.runId!, ({ type }) => type === 'ChildWorkflowInitiated');
  await handle.rollback({ toSeq: point });
  assert.equal(await latest(handle).result(), childId);
});

for (const parentClosePolicy of ['TERMINATE', 'REQUEST_CANCEL']) {
  test(`a restarted parent starts its child again when the policy ${parentClosePolicy} has ended the first one`, async () => {
    const childId = randomUUID();
    const handle = await engine.start('parentOf', [childId, 'gate', [childId], { parentClosePolicy }], randomUUID());
    await atGate(childId, 1);
    const first = await latest({ workflowId: childId }).describe();
    await handle.restart();
    await atGate(childId, 2);
    open(childId);
    assert.equal(await latest(handle).result(), childId);
    const status = (await client.workflow.getHandle(childId, first.runId).describe()).status.name;
    assert.equal(status, parentClosePolicy === 'TERMINATE' ? 'TERMINATED' : 'CANCELLED');
  });
}

test('a restarted parent cannot start a child whose id an abandoned child still has', async () => {
  const childId = randomUUID();
  const options = { parentClosePolicy: 'ABANDON' };
  const handle = await engine.start('parentOf', [childId, 'gate', [childId], options], randomUUID());
  await atGate(childId, 1);
  await handle.restart();
  await assert.rejects(latest(handle).result(), (error: Error) => /already/.test(String(error.cause)));
  open(childId);
  assert.equal(await latest({ workflowId: childId }).result(), childId);
});

test('a copy of a parent gets the outcome of the child of its origin', async () => {
  const childId = randomUUID();
  const handle = await engine.start('parentOfStarted', [childId, 'gate', [childId]], randomUUID());
  await atGate(childId, 1);
  await forks.logged(handle.runId!, ({ type }) => type === 'ActivityCompleted');
  const copy = await handle.fork({ workflowId: randomUUID() });
  const copyOfCopy = await latest(copy).fork({ workflowId: randomUUID() });
  open(childId);
  assert.equal(await handle.result(), childId);
  assert.equal(await latest(copy).result(), childId);
  assert.equal(await latest(copyOfCopy).result(), childId);
});

test('a copy of a closed parent gets the outcome of a child that has ended since', async () => {
  const childId = randomUUID();
  const options = { parentClosePolicy: 'ABANDON' };
  const handle = await engine.start('parentOf', [childId, 'gate', [childId], options], randomUUID());
  await atGate(childId, 1);
  await forks.logged(handle.runId!, ({ type }) => type === 'ChildWorkflowStarted');
  await handle.terminate();
  const before = await handle.fork({ workflowId: randomUUID() });
  open(childId);
  await latest({ workflowId: childId }).result();
  const after = await handle.fork({ workflowId: randomUUID() });
  assert.equal(await latest(before).result(), childId);
  assert.equal(await latest(after).result(), childId);
});

test('the end of a copy leaves the child of its origin alone', async () => {
  const childId = randomUUID();
  const handle = await engine.start('parentOfStarted', [childId, 'gate', [childId]], randomUUID());
  await atGate(childId, 1);
  await forks.logged(handle.runId!, ({ type }) => type === 'ActivityCompleted');
  const copy = await handle.fork({ workflowId: randomUUID() });
  await latest(copy).terminate();
  await engine.until(async () => {
    const { rows } = await engine.pool.query('select from reprise.outbox where run_id = $1', [copy.runId]);
    return rows.length === 0;
  });
  open(childId);
  assert.equal(await handle.result(), childId);
});
