// BM-12: the only busy worker is killed or hangs, and an idle worker takes over. Measures the time from the SIGKILL or
// SIGSTOP to the first new event.
import { type Bench, databaseTime, pause } from './bench.ts';
import { BenchWorker } from './bench-worker.ts';
import { newId, payload } from './load.ts';
import { events, head, headReaches } from './log-reader.ts';

/** So many activities that the run does not complete during the measurement. */
const endless = 10_000_000;

/** Returns ms. `settleMs`: how long both workers run before the busy worker gets the signal. */
export async function takeover(
  { client, pool }: Bench,
  signal: NodeJS.Signals,
  { settleMs, size }: { settleMs: number; size: number },
): Promise<number> {
  const taskQueue = 'takeover';
  const workers: BenchWorker[] = [];
  try {
    const busy = await BenchWorker.start({ taskQueue });
    workers.push(busy);
    const handle = await client.workflow.start('sequential', {
      workflowId: newId(),
      taskQueue,
      args: [payload, endless],
    });
    const runId = handle.runId;
    await headReaches(pool, runId, size);
    workers.push(await BenchWorker.start({ taskQueue }));
    await pause(settleMs);
    const sent = await databaseTime(pool);
    busy.signal(signal);
    await pause(20); // commits in flight can finish
    const last = await head(pool, runId);
    await headReaches(pool, runId, last + 1);
    const [first] = await events(pool, runId, last + 1, last + 1);
    await busy.stop('SIGKILL');
    await handle.terminate('measured');
    return first!.at - sent;
  } finally {
    await Promise.all(workers.map((worker) => worker.stop('SIGKILL')));
  }
}
