// How a worker stops (behavior 45 of docs/behaviors.md). Running activities may end within the grace time. After it
// they are cancelled, and other workers run them again. A worker that does not stop in time gives up.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { GracefulShutdownPeriodExpiredError, Worker, type WorkerOptions } from 'reprise/worker';
import * as tools from '../support/fixtures/tools.ts';
import { fixtureWorker, quiet, testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const engine = await testEngine();
let queues = 0;

/** A worker on a separate queue, with the activities of all fixtures and tools. */
function ownWorker(taskQueue: string, options: Partial<WorkerOptions> = {}): Promise<Worker> {
  return fixtureWorker(engine.connection, taskQueue, { activities: tools, ...options });
}

function toolWorker(taskQueue: string, options: Partial<WorkerOptions> = {}): Promise<Worker> {
  return Worker.create({ connection: engine.connection, taskQueue, activities: tools, logger: quiet, ...options });
}

const isRunning = (worker: Worker): Promise<boolean> => until(async () => worker.getStatus().epoch !== undefined);

for (const whose of ['own', 'remote'] as const) {
  const started = async (
    type: string,
    args: unknown[],
    options: Partial<WorkerOptions> = {},
  ): Promise<{
    first: Worker;
    running: Promise<void>;
    result: Promise<unknown>;
    next(): Promise<() => Promise<void>>;
    runId: string;
  }> => {
    const queue = `shutdown ${queues++}`;
    const make = whose === 'own' ? ownWorker : toolWorker;
    const first = await make(queue, options);
    const running = first.run();
    await isRunning(first);
    const handle = await engine.client.workflow.start('callRemote', {
      workflowId: queue,
      taskQueue: whose === 'own' ? queue : engine.taskQueue,
      args: [type, args, { taskQueue: queue, retry: { maximumAttempts: 1 } }],
    });
    await until(async () => {
      const [pending] = (await handle.describe()).pendingActivities;
      return whose === 'own' ? pending !== undefined : pending?.remote?.state === 'STARTED';
    });
    return {
      first,
      running,
      result: handle.result(),
      runId: handle.runId,
      next: async () => {
        const second = await make(queue);
        const serving = second.run();
        return async () => {
          second.shutdown();
          await serving;
        };
      },
    };
  };

  it(`activities may complete during the grace time: ${whose}`, async () => {
    const { first, running, result, next } = await started('takeLong', [300], { shutdownGraceTime: '10 s' });
    first.shutdown();
    assert.equal(first.getState(), 'STOPPING');
    await until(async () => first.getState() !== 'STOPPING');
    await running;
    assert.equal(first.getState(), 'STOPPED');
    const stop = await next();
    assert.equal(await result, 1);
    await stop();
  });

  it(`after the grace time activities are cancelled, and run again elsewhere: ${whose}`, async () => {
    const { first, running, result, next, runId } = await started('takeLong', [700], { shutdownGraceTime: 50 });
    first.shutdown();
    await running;
    const stop = await next();
    // Only one attempt is allowed, and a lost attempt does not count.
    assert.equal(await result, 2);
    const { rows } = await engine.pool.query(`select 1 from reprise.events where run_id = $1 and type = 10`, [runId]);
    assert.equal(rows.length, 1);
    await assertReplays(engine.connection.database, runId);
    await stop();
  });
}

it('an activity learns why it must stop', async () => {
  const queue = `shutdown ${queues++}`;
  const reasons: string[] = [];
  const worker = await fixtureWorker(engine.connection, queue, {
    activities: {
      async notes() {
        const { Context } = await import('reprise/activity');
        await Context.current().cancelled.catch((error: Error) => reasons.push(error.message));
        return 'noted';
      },
    },
  });
  const running = worker.run();
  await isRunning(worker);
  const handle = await engine.client.workflow.start('callRemote', {
    workflowId: queue,
    taskQueue: queue,
    args: ['notes', [], { taskQueue: queue }],
  });
  await until(async () => (await handle.describe()).pendingActivities.length === 1);
  worker.shutdown();
  await running;
  assert.deepEqual(reasons, ['WORKER_SHUTDOWN']);
  // The activity returned a result, which counts.
  assert.equal(await handle.result(), 'noted');
});

it('an activity that ignores its cancellation is abandoned, and runs again elsewhere', async () => {
  const queue = `shutdown ${queues++}`;
  const first = await ownWorker(queue);
  const running = first.run();
  await isRunning(first);
  const handle = await engine.client.workflow.start('callRemote', {
    workflowId: queue,
    taskQueue: queue,
    args: ['deaf', [], { taskQueue: queue, retry: { maximumAttempts: 1 } }],
  });
  await until(async () => (await handle.describe()).pendingActivities.length === 1);
  first.shutdown();
  await running;
  const second = await ownWorker(queue);
  assert.equal(await second.runUntil(handle.result()), 2);
  const lost = (await handle.history()).find((event) => event.type === 'WorkerLost');
  assert.match(lost!.reason!, /^worker \d+ shut down$/);
});

it('a worker that does not stop in time gives up, and others continue', async () => {
  const queue = `shutdown ${queues++}`;
  const worker = await ownWorker(queue, { shutdownForceTime: 100 });
  const running = worker.run();
  await isRunning(worker);
  const handle = await engine.client.workflow.start('callRemote', {
    workflowId: queue,
    taskQueue: queue,
    args: ['silent', [], { taskQueue: queue, startToCloseTimeout: 500, retry: { maximumAttempts: 1 } }],
  });
  await until(async () => (await handle.describe()).pendingActivities.length === 1);
  worker.shutdown();
  await assert.rejects(running, (error) => {
    assert.ok(error instanceof GracefulShutdownPeriodExpiredError);
    assert.equal(error.message, 'Timed out while waiting for worker to shutdown gracefully');
    return true;
  });
  assert.equal(worker.getState(), 'FAILED');
  const second = await ownWorker(queue);
  const serving = second.run();
  const result = (await handle.result()) as { cause: { timeoutType: string } };
  assert.equal(result.cause.timeoutType, 'START_TO_CLOSE');
  second.shutdown();
  await serving;
});

it('invalid durations and rates in the options are refused', async () => {
  for (const [option, value] of [
    ['shutdownGraceTime', 'soon'],
    ['shutdownForceTime', -1],
    ['maxActivitiesPerSecond', 0],
    ['maxTaskQueueActivitiesPerSecond', '5'],
  ] as const) {
    await assert.rejects(toolWorker('x', { [option]: value }), {
      code: 'INVALID_INPUT',
      message: new RegExp(`^Worker option ${option}\\b`),
    });
  }
});

it('a second run() or runUntil() is refused, and the worker continues', async () => {
  const worker = await fixtureWorker(engine.connection, 'twice');
  const running = worker.run();
  await isRunning(worker);
  const refusal = { name: 'IllegalStateError', message: /^This worker is RUNNING: run\(\) can be called once/ };
  await assert.rejects(worker.run(), refusal);
  await assert.rejects(
    worker.runUntil(async () => assert.fail('begun')),
    refusal,
  );
  const greeting = { workflowId: 'twice', taskQueue: 'twice', args: ['Ada'] };
  assert.equal(await engine.client.workflow.execute('greet', greeting), 'Hello, Ada!');
  assert.equal(worker.getState(), 'RUNNING');
  worker.shutdown();
  await running;
  await assert.rejects(worker.run(), /^IllegalStateError: This worker is STOPPED/);
});
