// Names that the engine reserves are refused in the options of clients and workers. Behavior 62 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WithStartWorkflowOperation, type WorkflowStartOptions } from 'reprise/client';
import { Worker } from 'reprise/worker';
import { testEngine } from '../support/engine.ts';

const { client, connection, pool, taskQueue } = await testEngine();
const { workflow, activity } = client;
const start: WorkflowStartOptions = { workflowId: 'reserved', taskQueue };
const name = '__temporal_x';
const reserved = (kind: string): object => ({
  name: 'TypeError',
  code: 'INVALID_INPUT',
  message: `Cannot use ${kind} name: '${name}', with reserved prefix: '__temporal_'`,
});

test('reserved workflow types and task queues are refused, and nothing is started', async () => {
  const update = { updateId: 'u', startWorkflowOperation: operation(name, {}) };
  await assert.rejects(workflow.start(name, start), reserved('workflow'));
  await assert.rejects(workflow.execute('greet', { ...start, taskQueue: name }), reserved('task queue'));
  await assert.rejects(workflow.signalWithStart(name, { ...start, signal: 's' }), reserved('workflow'));
  await assert.rejects(workflow.executeUpdateWithStart('u', update), reserved('workflow'));
  const { rows } = await pool.query('select workflow_id from reprise.runs');
  assert.deepEqual(rows, []);
});

function operation(type: string, options: object): WithStartWorkflowOperation {
  return new WithStartWorkflowOperation(type, { ...start, ...options, workflowIdConflictPolicy: 'FAIL' });
}

test('reserved activity types and task queues are refused', async () => {
  const options = { id: 'a', taskQueue, startToCloseTimeout: 1000 };
  await assert.rejects(activity.start(name, options), reserved('activity'));
  await assert.rejects(activity.execute('echo', { ...options, taskQueue: name }), reserved('task queue'));
  const handle = await activity.start('echo', { ...options, taskQueue: 'nobody' });
  await assert.rejects(handle.updateOptions({ taskQueue: name }), reserved('task queue'));
});

test('a worker with a reserved task queue or activity is refused', async () => {
  const activities = { [name]: async () => undefined };
  const echo = { echo: async () => undefined };
  await assert.rejects(Worker.create({ connection, taskQueue: name, activities: echo }), reserved('task queue'));
  await assert.rejects(Worker.create({ connection, taskQueue, activities }), reserved('activity'));
});
