// Worker options about activities: the slots of local activities, whether the worker executes other activities, and how
// often heartbeat details are stored.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { activityInfo, heartbeat } from 'reprise/activity';
import { decodePayload } from '../../runtime/core/payload/payload.ts';
import { Worker, type WorkerOptions } from 'reprise/worker';
import { fixtureWorker, quiet, testEngine } from '../support/engine.ts';
import type { ActivityCall } from '../support/fixtures/activity-calls.ts';

let running = 0;
let most = 0;
let opened = Promise.withResolvers<void>();
let begun = 0;

const activities = {
  /** Ends when the test resolves `opened`. */
  async held(): Promise<boolean> {
    begun += 1;
    running += 1;
    most = Math.max(most, running);
    await opened.promise;
    running -= 1;
    return activityInfo().isLocal;
  },
  async brief(): Promise<number> {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    return activityInfo().attempt;
  },
  async reports(): Promise<void> {
    heartbeat(1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    heartbeat(2);
    await opened.promise;
  },
};

const engine = await testEngine({
  activities,
  maxConcurrentActivityTaskExecutions: 1,
  maxConcurrentLocalActivityExecutions: 2,
  maxActivitiesPerSecond: 1,
  defaultHeartbeatThrottleInterval: '10ms',
});

function call(options: ActivityCall): ReturnType<typeof engine.start> {
  return engine.start('callActivity', [options]);
}

it('local activities have separate slots and no rate limit', async () => {
  opened = Promise.withResolvers();
  const held = await call({ type: 'held' });
  await engine.until(async () => begun === 1);
  running = 0;
  most = 0;
  const chain = await engine.start('localChain', ['brief', 6]);
  await chain.result();
  assert.equal(most, 2);
  opened.resolve();
  await held.result();
  const { workflow } = engine.client;
  assert.equal((await workflow.count("WorkflowType = 'localChain' AND ExecutionStatus = 'Completed'")).count, 1);
});

it('a local activity that gets no slot within its scheduleToStartTimeout times out', async () => {
  opened = Promise.withResolvers();
  begun = 0;
  const held = await Promise.all([1, 2].map(() => call({ type: 'held', local: true })));
  await engine.until(async () => begun === 2);
  const late = await call({ type: 'brief', local: true, options: { scheduleToStartTimeout: 30 } });
  const { failure } = (await late.result()) as { failure: { cause: { timeoutType: string } } };
  assert.equal(failure.cause.timeoutType, 'SCHEDULE_TO_START');
  opened.resolve();
  assert.deepEqual(await Promise.all(held.map((handle) => handle.result())), [true, true]);
});

it('the worker’s options limit how often heartbeat details are stored', async () => {
  opened = Promise.withResolvers();
  const handle = await call({ type: 'reports' });
  await engine.until(async () => {
    const { rows } = await engine.pool.query<{ details: Buffer }>(
      'select details from reprise.activity_heartbeats where run_id = $1',
      [handle.runId],
    );
    return rows.length === 1 && decodePayload(rows[0]!.details) === 2;
  });
  opened.resolve();
  await handle.result();
});

it('a worker with enableNonLocalActivities: false leaves other activities to the queue’s other workers', async () => {
  const taskQueue = 'local only';
  const executedBy = (worker: string) => ({ whose: async () => worker });
  const owner = await fixtureWorker(engine.connection, taskQueue, {
    activities: executedBy('owner'),
    enableNonLocalActivities: false,
  });
  const other = await Worker.create({
    connection: engine.connection,
    taskQueue,
    activities: executedBy('other'),
    logger: quiet,
  });
  const results = other.runUntil(() =>
    owner.runUntil(() =>
      Promise.all(
        [true, false].map((local) => {
          const options = { workflowId: `whose ${local}`, taskQueue, args: [{ type: 'whose', local }] };
          return engine.client.workflow.execute('callActivity', options);
        }),
      ),
    ),
  );
  assert.deepEqual(await results, ['owner', 'other']);
});

it('an option given under both of its names is refused', async () => {
  const options = { connection: engine.connection, taskQueue: 'q', activities };
  const twice = { ...options, maxConcurrentActivities: 1, maxConcurrentActivityTaskExecutions: 1 };
  await assert.rejects(Worker.create(twice), { code: 'INVALID_INPUT', message: /are one option/ });
});

it('invalid values are refused', async () => {
  for (const [option, value] of [
    ['maxConcurrentLocalActivityExecutions', 0],
    ['maxConcurrentLocalActivityExecutions', 1.5],
    ['enableNonLocalActivities', 'no'],
    ['defaultHeartbeatThrottleInterval', 'soon'],
    ['maxHeartbeatThrottleInterval', -1],
    ['maxCachedRuns', null],
    ['maxConcurrentActivities', null],
  ] as const) {
    const options = { connection: engine.connection, taskQueue: 'q', activities, [option]: value } as WorkerOptions;
    await assert.rejects(Worker.create(options), { code: 'INVALID_INPUT', message: new RegExp(`option ${option}\\b`) });
  }
});
