// BM-04, MOCK_TOOLS: how fast does a new process replay the main job's code on its recorded results, and how long does
// reading alone take?
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Bench } from './bench.ts';
import type { Replayed } from './code-replay-process.ts';
import { newId } from './load.ts';
import { head } from './log-reader.ts';
import { measureInProcess } from './measuring-process.ts';
import type { Question } from './question.ts';
import { figure, median } from './statistics.ts';

const taskQueue = 'warehouse-replay';
const script = new URL('./code-replay-process.ts', import.meta.url);
const mebibyte = 1024 * 1024;

export const question: Question = {
  id: 'BM-04',
  title: "the main job's code over its recorded log, in a new process (MOCK_TOOLS)",
  size: { of: 'records', usual: 30_000, most: 50_000 },
  async run(bench, { rounds, size }) {
    const { runId, workflowId } = await record(bench, size);
    const events = await head(bench.pool, runId);
    const replays: Replayed[] = [];
    const reads: Replayed[] = [];
    for (let i = 0; i < rounds; i++) {
      reads.push(await measureInProcess<Replayed>(script, ['read', workflowId]));
      replays.push(await measureInProcess<Replayed>(script, ['replay', workflowId]));
    }
    if ([...reads, ...replays].some((each) => each.events !== events)) throw new Error('A replay missed events.');
    if ((await head(bench.pool, runId)) !== events) throw new Error('A replay wrote to the log.');
    const ms = (all: readonly Replayed[]): number[] => all.map((each) => each.ms);
    const rates = (all: readonly Replayed[]): number[] => ms(all).map((time) => (events / time) * 1000);
    const note = `${figure(median(ms(replays)))} ms for ${figure(events)} events, ${figure(size)} recorded results`;
    return [
      { name: 'read and replayed', unit: 'events/s', values: rates(replays), better: 'higher', note },
      { name: 'read alone', unit: 'events/s', values: rates(reads), better: 'higher' },
      {
        name: 'peak RSS of the replaying process',
        unit: 'MiB',
        values: replays.map(({ peak }) => peak / mebibyte),
        better: 'lower',
        note: `reading alone ${figure(median(reads.map(({ peak }) => peak / mebibyte)))} MiB`,
      },
    ];
  },
};

/** Runs the main job once with the worker that `npm start` uses, and kills no worker. */
async function record({ client }: Bench, records: number): Promise<{ runId: string; workflowId: string }> {
  const worker = fork(new URL('../examples/warehouse/worker.ts', import.meta.url), [taskQueue, 'recorder'], {
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const ended = once(worker, 'exit');
  try {
    const handle = await client.workflow.start('repairWarehouse', {
      workflowId: newId(),
      taskQueue,
      args: [{ records, pageSize: 1000, concurrency: 64 }],
    });
    const done = await Promise.race([handle.result(), ended]);
    if (done !== records) throw new Error(`The recording did not repair all ${records} records.`);
    return { runId: handle.runId, workflowId: handle.workflowId };
  } finally {
    worker.kill('SIGKILL');
    await ended;
  }
}
