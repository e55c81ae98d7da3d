// Kills the worker of a run that has many completed activities and one running activity. An idle worker takes the run
// over.
import { type Bench, databaseTime, pause } from './bench.ts';
import { BenchWorker, type Memory } from './bench-worker.ts';
import { newId, payload } from './load.ts';
import { activityCompleted, activityScheduled, firstOf, head, headReaches, workerLost } from './log-reader.ts';

/** More activities than any question waits for. The run is terminated before it does all of them. */
const endless = 10_000_000;

export interface Recovery {
  readonly runId: string;
  /** seq of the last event before the kill. */
  readonly killedAt: number;
  /** Time from the kill to WorkerLost in the log. */
  readonly pickupMs: number;
  /** Time from the kill to the next result, which is the running activity's. */
  readonly resultMs: number;
  /** Time from the kill to the first command of the replayed code. */
  readonly codeMs: number;
  readonly victim: Memory;
  readonly heir: Memory;
}

/** Kills the worker after `steps` activities. Each activity has two events in the log. */
export async function killAndRecover({ client, pool }: Bench, taskQueue: string, steps: number): Promise<Recovery> {
  const workers: BenchWorker[] = [];
  const startWorker = async (): Promise<BenchWorker> => {
    const worker = await BenchWorker.start({ taskQueue });
    workers.push(worker);
    return worker;
  };
  try {
    const victim = await startWorker();
    const handle = await client.workflow.start('sequential', {
      workflowId: newId(),
      taskQueue,
      args: [payload, endless],
    });
    const runId = handle.runId;
    await headReaches(pool, runId, steps); // the victim owns the run before the heir starts
    const heir = await startWorker();
    await pause(500);
    await headReaches(pool, runId, 2 * steps + 1);
    const victimMemory = await victim.memory();
    const killed = await databaseTime(pool);
    victim.signal('SIGKILL');
    await pause(20); // commits in flight can finish
    const killedAt = await head(pool, runId);
    const lost = await firstOf(pool, runId, killedAt, workerLost);
    const result = await firstOf(pool, runId, lost.seq, activityCompleted);
    const asked = await firstOf(pool, runId, lost.seq, activityScheduled);
    const heirMemory = await heir.memory();
    await handle.terminate('measured');
    return {
      runId,
      killedAt,
      pickupMs: lost.at - killed,
      resultMs: result.at - killed,
      codeMs: asked.at - killed,
      victim: victimMemory,
      heir: heirMemory,
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.stop('SIGKILL')));
  }
}
