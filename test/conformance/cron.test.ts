// Cron schedules of workflows, and handles to scheduled workflows. Behaviors 51, 52 and 54 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { until } from '../support/engine.ts';
import { behavior, type Way, ways } from './ways.ts';

const all = await ways();
const statuses = async (way: Way, { workflowId }: WorkflowHandle): Promise<string[]> =>
  (await way.runs(workflowId)).map(({ status }) => status);

/** The payload of each run's last event: its result or failure. */
async function ends(way: Way, { workflowId }: WorkflowHandle): Promise<unknown[]> {
  const { workflow } = way.engine.client;
  const payloads: unknown[] = [];
  for (const { run_id: runId } of await way.runs(workflowId)) {
    payloads.push((await workflow.getHandle(workflowId, runId).history()).at(-1)!.payload);
  }
  return payloads;
}

const hasRuns = (way: Way, { workflowId }: WorkflowHandle, count: number): Promise<boolean> =>
  until(async () => (await way.runs(workflowId)).length >= count);

async function terminated(way: Way, handle: WorkflowHandle): Promise<void> {
  await handle.terminate();
  // A handle waits for the end of the chain.
  await assert.rejects(way.result(handle), { message: 'Workflow execution terminated' });
  assert.equal((await statuses(way, handle)).at(-1), 'terminated');
  const { rows } = await way.engine.pool.query<{ ok: boolean }>(
    'select (reprise_audit.verify(run_id)).ok from reprise.runs where workflow_id = $1',
    [handle.workflowId],
  );
  assert.ok(rows.every(({ ok }) => ok));
}

// The shortest interval of a schedule is one second, so the tests wait concurrently.
describe('a cron schedule', { concurrency: 16 }, () => {
  behavior(
    all,
    '52: the next run starts whatever the outcome of the previous run, and receives results and failures',
    async (way) => {
      const options = { cronSchedule: '@every 1s', workflowRunTimeout: 800 };
      const handle = await way.start('endsInTurn', [], options);
      await until(async () => {
        const each = await statuses(way, handle);
        const isMixed = each.includes('failed') && each.includes('timed_out');
        return isMixed && each.slice(each.indexOf('timed_out')).includes('completed');
      });
      await terminated(way, handle);
      // On a busy machine any run may have timed out. The next run's inputs show that.
      let times = 0;
      let lastFailure: string | undefined;
      const whatRunsEndedWith = await ends(way, handle);
      for (const [i, status] of (await statuses(way, handle)).entries()) {
        if (status === 'timed_out') lastFailure = 'Workflow execution timed out';
        else if (status === 'failed') {
          lastFailure = `after ${times}`;
          assert.equal((whatRunsEndedWith[i] as Error).message, lastFailure);
        } else if (status === 'completed') {
          times++;
          assert.deepEqual(whatRunsEndedWith[i], { times, ...(lastFailure !== undefined && { lastFailure }) });
          lastFailure = undefined;
        }
      }
    },
  );

  behavior(all, '52: a run knows its schedule and the previous failure', async (way) => {
    const handle = await way.start('everySoOften', [true], { cronSchedule: '@every 1s' });
    await hasRuns(way, handle, 3);
    await terminated(way, handle);
    assert.deepEqual((await statuses(way, handle)).slice(0, 2), ['failed', 'completed']);
    const known = { notes: [], lastFailure: 'not this time', cronSchedule: '@every 1s', interval: 1000 };
    assert.deepEqual((await ends(way, handle))[1], { times: 1, ...known });
  });

  behavior(all, '51: followRuns: false waits only for the first run', async (way) => {
    const options = { cronSchedule: '@every 1s', followRuns: false };
    const handle = await way.start('everySoOften', [false], options);
    assert.equal(((await handle.result()) as { times: number }).times, 1);
    await hasRuns(way, handle, 2);
    await way.engine.client.workflow.getHandle(handle.workflowId).terminate();
    await way.replays(handle);
  });

  behavior(
    all,
    '52: a signal before a run’s scheduled time does not start the run, but the run receives it later',
    async (way) => {
      const handle = await way.start('everySoOften', [false], { cronSchedule: '@every 2s' });
      await handle.signal('note', 'early');
      await hasRuns(way, handle, 3);
      const runs = (await way.runs(handle.workflowId)).slice(0, 2);
      const handles = runs.map(({ run_id }) => way.engine.client.workflow.getHandle(handle.workflowId, run_id));
      const [first, second] = await Promise.all(handles.map((run) => run.history()));
      const { meta, at } = first![0]!;
      assert.ok(first![1]!.at.getTime() >= at.getTime() + (meta as { backoffMs: number }).backoffMs - 1);
      // If the workflow starts just before a scheduled time, the first run may end before the signal arrives. Then the
      // second run receives the signal.
      const notes = [first!, second!].flatMap((events) => (events.at(-1)!.payload as { notes: string[] }).notes);
      assert.deepEqual(notes, ['early']);
      await terminated(way, handle);
    },
  );

  behavior(
    all,
    '52: cancellation ends the schedule, both while a run waits for its time and while a run is running',
    async (way) => {
      const yearly = await way.start('waitsForEver', [], { cronSchedule: '0 0 1 1 *' });
      const { startTime, executionTime } = await yearly.describe();
      assert.ok(executionTime.getTime() > startTime.getTime());
      const often = await way.start('waitsForEver', [], { cronSchedule: '@every 1s' });
      await until(async () => (await often.history()).length > 1);
      for (const handle of [yearly, often]) {
        await handle.cancel();
        await assert.rejects(way.result(handle), { message: 'Workflow execution cancelled' });
        assert.deepEqual(await statuses(way, handle), ['cancelled']);
      }
    },
  );
});
