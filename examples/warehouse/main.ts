// `npm start`: repairs 50,000 records with two worker processes, kills the busy worker during the run, and proves with
// figures that nothing was lost. `npm start -- --help` prints the options.
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { Client, Connection, type WorkflowHandle } from 'reprise/client';
import { openDatabase } from '../processes/database.ts';
import { WorkerProcess } from '../processes/worker-process.ts';
import { attemptFileVariable } from './attempt-log.ts';
import { examine, type Loss } from './examine.ts';
import { figure, Progress } from './progress.ts';
import { recordsMax } from './records.ts';
import { judge, report } from './report.ts';
import { countWorkers, RunWatch } from './run-watch.ts';
import type { repairWarehouse } from './workflows.ts';

/** The job follows a real incident, in which the machine ran out of memory after 35,234 of 50,000 records. */
const killShare = 35_234 / recordsMax;
const workerProgram = new URL('./worker.ts', import.meta.url);
const pageSize = 1_000;
const lookPauseMs = 20;

interface Options {
  records: number;
  concurrency: number;
  /** The signal that stops the busy worker. */
  loss: 'SIGKILL' | 'SIGSTOP' | undefined;
}

const usage = `npm start -- [options]

Repairs records with two worker processes, loses the busy one on the way, and shows that nothing was lost.

  --records N      how many records, 1 to ${recordsMax} (default ${recordsMax})
  --concurrency N  how many activities at once (default 16)
  --no-kill        let both workers live
  --hang           stop the busy worker (SIGSTOP) instead of killing it (SIGKILL)
  --help           print this

The database is REPRISE_DATABASE_URL's, or a Postgres of its own in .reprise/ of this folder.`;

/** Returns undefined if the user only asks for the usage. */
function parseOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      records: { type: 'string', default: String(recordsMax) },
      concurrency: { type: 'string', default: '16' },
      kill: { type: 'boolean', default: true },
      hang: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowNegative: true,
  });
  if (values.help) return undefined;
  const records = Number(values.records);
  const concurrency = Number(values.concurrency);
  if (!Number.isInteger(records) || records < 1 || records > recordsMax) {
    throw new Error(`--records ${values.records}: expected a whole number from 1 to ${recordsMax}.`);
  }
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new Error(`--concurrency ${values.concurrency}: expected a whole number from 1.`);
  }
  if (!values.kill && values.hang) throw new Error('--no-kill and --hang exclude each other.');
  return { records, concurrency, loss: values.kill ? (values.hang ? 'SIGSTOP' : 'SIGKILL') : undefined };
}

async function main(options: Options): Promise<boolean> {
  console.log('Starting the database and two workers …');
  const database = await openDatabase();
  // If the reader of our output closes the pipe (`| head`), the program stops.
  process.stdout.on('error', () => undefined);
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process.stdout, 'error')]);
  const connection = await Connection.connect({ connectionString: database.url });
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  const workflowId = `warehouse-${Date.now().toString(36)}`;
  const folder = join(process.cwd(), '.reprise', workflowId);
  const attemptFile = join(folder, 'attempts.txt');
  mkdirSync(folder, { recursive: true });
  const env = { REPRISE_DATABASE_URL: database.url, [attemptFileVariable]: attemptFile };
  // Each start of this program has a new task queue, so that its workers take no run that an earlier start left open.
  const workers = ['worker-1', 'worker-2'].map(
    (identity) => new WorkerProcess({ program: workerProgram, identity, taskQueue: workflowId, folder, env }),
  );
  const failed = Promise.race(workers.map((worker) => worker.watch()));
  const stopped = interrupted.then(() => undefined);
  try {
    // Both workers poll before the run starts, so that one can take over even a run with very few records.
    const ready = pollUntil(async () => (await countWorkers(pool, workflowId)) === workers.length);
    if (!(await Promise.race([ready, stopped, failed]))) return false;
    const handle = await new Client({ connection }).workflow.start<typeof repairWarehouse>('repairWarehouse', {
      workflowId,
      taskQueue: workflowId,
      args: [{ records: options.records, pageSize, concurrency: options.concurrency }],
    });
    const watch = new RunWatch(pool, (await handle.describe()).runId);
    const progress = new Progress(options.records);
    const end = await Promise.race([follow(handle, watch, workers, progress, options), stopped, failed]);
    if (end === undefined) {
      progress.say(`Stopped after ${figure(watch.completed)} records, which the log of ${workflowId} keeps.`);
      return false;
    }
    const findings = await examine(handle, watch, { ...options, ...end, attemptFile });
    const faults = judge(findings, options.loss !== undefined);
    for (const line of report(findings, faults)) progress.say(line);
    return faults.length === 0;
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    await pool.end();
    await connection.close();
    await database.stop();
  }
}

async function pollUntil(condition: () => Promise<boolean>): Promise<true> {
  while (!(await condition())) await sleep(lookPauseMs);
  return true;
}

/**
 * Watches the run until it ends. Stops the busy worker at the first commit after which `killShare` of the records are
 * done.
 */
async function follow(
  handle: WorkflowHandle,
  watch: RunWatch,
  workers: readonly WorkerProcess[],
  progress: Progress,
  { records, loss }: Options,
): Promise<{ totalMs: number; loss: Loss | undefined }> {
  const startedAt = performance.now();
  const fatal = Math.max(1, Math.round(records * killShare));
  let running = true;
  let lost: Loss | undefined;
  const result = handle.result().finally(() => {
    running = false;
  });
  while (running) {
    await Promise.race([sleep(lookPauseMs), result]);
    await watch.look();
    progress.show(watch);
    if (loss === undefined || lost !== undefined || watch.completed < fatal) continue;
    const owner = await watch.owner();
    const worker = workers.find(({ identity }) => identity === owner);
    if (worker === undefined) continue;
    worker.kill(loss);
    lost = { worker: worker.identity, signal: loss, completed: watch.completed, seq: watch.seq, at: watch.at };
    progress.say(`${loss} to ${worker.identity} (pid ${worker.pid}) at ${figure(lost.completed)} records`);
  }
  await result;
  const totalMs = performance.now() - startedAt;
  await watch.look();
  return { totalMs, loss: lost };
}

try {
  const options = parseOptions();
  if (options === undefined) console.log(usage);
  else process.exitCode = (await main(options)) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
