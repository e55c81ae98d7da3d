// Workflow ids that are or were in use, and the run that a handle refers to. Behaviors 51 and 53 of docs/behaviors.md.
// test/worker/workflow-retry.test.ts covers retries. test/sdk/id-policies.test.ts covers starts in the caller's
// transaction.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import {
  WorkflowExecutionAlreadyStartedError,
  type WorkflowHandle,
  type WorkflowIdConflictPolicy,
  type WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from 'reprise/client';
import { until } from '../support/engine.ts';
import { behavior, type Way, ways } from './ways.ts';

const all = await ways();
const endings = ['completed', 'failed', 'cancelled', 'terminated', 'timed_out'] as const;
const allowed: Record<WorkflowIdReusePolicy | 'none given', readonly string[]> = {
  'none given': endings,
  ALLOW_DUPLICATE: endings,
  ALLOW_DUPLICATE_FAILED_ONLY: endings.slice(1),
  REJECT_DUPLICATE: [],
  TERMINATE_IF_RUNNING: endings,
};

async function ended(way: Way, workflowId: string, ending: (typeof endings)[number]): Promise<void> {
  const limits = ending === 'timed_out' ? { workflowRunTimeout: 30 } : {};
  const handle = await way.start('endsAs', [ending], { workflowId, ...limits });
  if (ending === 'cancelled') await handle.cancel();
  if (ending === 'terminated') await handle.terminate();
  await way.result(handle).catch(() => undefined);
  assert.deepEqual(
    (await way.runs(workflowId)).map(({ status }) => status),
    [ending],
  );
}

const refusedBy = (pattern: RegExp) => (error: unknown) =>
  error instanceof WorkflowExecutionAlreadyStartedError &&
  error.message.startsWith('Workflow execution already started') &&
  pattern.test(error.message);

describe('a workflow id whose run has ended', { concurrency: 5 }, () => {
  for (const [policy, after] of Object.entries(allowed)) {
    behavior(all, `53: reuse policy ${policy}: free again if the run is ${after.join(', ') || 'none'}`, async (way) => {
      for (const ending of endings) {
        const workflowId = way.newId(`${policy} ${ending}`);
        await ended(way, workflowId, ending);
        const given = policy === 'none given' ? {} : { workflowIdReusePolicy: policy };
        const again = way.start('endsAs', ['completed'], { workflowId, ...given });
        if (after.includes(ending)) {
          assert.equal(await way.result(await again), 'completed');
        } else {
          await assert.rejects(again, refusedBy(/a closed run, and the workflowIdReusePolicy allows no other/));
          assert.equal((await way.runs(workflowId)).length, 1, 'nothing was written');
        }
      }
    });
  }
});

const open = (way: Way, workflowId: string, workflowIdConflictPolicy?: WorkflowIdConflictPolicy) =>
  way.start('listener', [], {
    workflowId,
    ...(workflowIdConflictPolicy === undefined ? {} : { workflowIdConflictPolicy }),
  });

function signalWithStart({ engine }: Way, workflowId: string, more: object = {}): Promise<WorkflowHandle> {
  const { client, taskQueue } = engine;
  const options = { workflowId, taskQueue, signal: 'say', signalArgs: ['again'], ...more };
  return client.workflow.signalWithStart('listener', options);
}

behavior(all, '53: the id of an open run is refused by default, and with FAIL', async (way) => {
  const handle = await open(way, way.newId('taken'));
  for (const policy of [undefined, 'FAIL'] as const) {
    await assert.rejects(open(way, handle.workflowId, policy), refusedBy(/belongs to an open run/));
  }
  const signal = signalWithStart(way, handle.workflowId, { workflowIdConflictPolicy: 'FAIL' });
  await assert.rejects(signal, refusedBy(/belongs to an open run/));
  await handle.signal('stop');
  assert.deepEqual(await way.result(handle), [], 'nothing was sent');
});

behavior(all, '53: USE_EXISTING and signalWithStart return the open run, also with concurrent calls', async (way) => {
  const workflowId = way.newId('shared');
  const handles = await Promise.all(Array.from({ length: 20 }, () => open(way, workflowId, 'USE_EXISTING')));
  handles.push(await signalWithStart(way, workflowId));
  assert.equal(new Set(handles.map(({ runId }) => runId)).size, 1);
  await handles[0]!.signal('stop');
  assert.deepEqual(await way.result(handles[1]!), ['again']);
  assert.equal((await way.runs(workflowId)).length, 1);
});

behavior(all, '53: TERMINATE_EXISTING terminates the open run and starts another', async (way) => {
  const workflowId = way.newId('taken over');
  const first = await open(way, workflowId);
  const second = await open(way, workflowId, 'TERMINATE_EXISTING');
  await assert.rejects(first.result(), { message: `a new run of workflow id "${workflowId}" was started` });
  const third = await signalWithStart(way, workflowId, { workflowIdConflictPolicy: 'TERMINATE_EXISTING' });
  await assert.rejects(second.result(), { name: 'WorkflowFailedError' });
  await third.signal('stop');
  assert.deepEqual(await third.result(), ['again']);
  const last = await way.start('endsAs', ['completed'], { workflowId, workflowIdReusePolicy: 'TERMINATE_IF_RUNNING' });
  assert.equal(await way.result(last), 'completed');
  assert.deepEqual(
    (await way.runs(workflowId)).map(({ status }) => status),
    ['terminated', 'terminated', 'completed', 'completed'],
  );
});

/** A chain of two runs. The second run is open. */
async function chainOfTwo(way: Way): Promise<WorkflowHandle> {
  const handle = await way.start('answers', [1]);
  await handle.signal('go');
  await until(async () => (await handle.describe()).runId !== handle.runId);
  return handle;
}
const closed = (error: unknown): boolean =>
  error instanceof WorkflowNotFoundError && error.message.startsWith('workflow execution already completed');

for (const [verb, status] of [
  ['cancel', 'CANCELLED'],
  ['terminate', 'TERMINATED'],
] as const) {
  behavior(
    all,
    `51: ${verb} through the handle of start reaches the last run of the chain; through a run id, only that run`,
    async (way) => {
      const handle = await chainOfTwo(way);
      const { workflow } = way.engine.client;
      const pinned = workflow.getHandle(handle.workflowId, handle.runId);
      await assert.rejects(pinned[verb](), closed);
      await assert.rejects(pinned.signal('go'), closed);
      assert.equal((await pinned.describe()).status.name, 'CONTINUED_AS_NEW');
      assert.equal((await handle.describe()).status.name, 'RUNNING');
      await handle[verb]();
      await assert.rejects(way.result(handle), { name: 'WorkflowFailedError' });
      assert.equal((await handle.describe()).status.name, status);
    },
  );
}

behavior(all, '51: the handle of start ignores a later chain of its workflow id', async (way) => {
  const { workflow } = way.engine.client;
  const first = await open(way, way.newId('twice'));
  await first.signal('say', 'first');
  await first.signal('stop');
  assert.deepEqual(await first.result(), ['first']);
  const second = await open(way, first.workflowId);
  for (const send of [() => first.cancel(), () => first.terminate(), () => first.signal('stop')]) {
    await assert.rejects(send, closed);
  }
  assert.deepEqual(await first.query('heard'), ['first']);
  assert.deepEqual(await first.result(), ['first']);
  const either = workflow.getHandle(first.workflowId);
  assert.deepEqual([(await either.describe()).runId, await either.query('heard')], [second.runId, []]);
  await either.signal('stop');
  assert.deepEqual(await way.result(second), []);
});
