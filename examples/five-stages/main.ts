// npm run start:five-stages: a job of five stages on three worker processes, two of which are lost on the way. Shows that
// no finished stage is repeated, that the training continues in its epoch, and that a woken worker can write nothing.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { openDatabase } from '../processes/database.ts';
import { WorkerGroup } from '../processes/worker-group.ts';
import { examine } from './examine.ts';
import { Losses } from './losses.ts';
import { judge, report } from './report.ts';
import type { fiveStages } from './workflows.ts';

const usage = `npm run start:five-stages -- [options]

Trains a model in five stages on three workers. The first worker hangs in the stage "clean" and wakes at the end,
the second is killed in epoch 7 of 10 of the stage "train".

  --lease MS  after how long a silent worker counts as lost (default 2000)
  --help      print this

The database is REPRISE_DATABASE_URL's, or a Postgres of its own in .reprise/ of this folder.`;

async function main(leaseMs: number): Promise<boolean> {
  console.log('Starting the database and three workers …');
  const database = await openDatabase();
  const connection = await Connection.connect({ connectionString: database.url });
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  const workflowId = `five-stages-${Date.now().toString(36)}`;
  const folder = join(process.cwd(), '.reprise', workflowId);
  const workers = new WorkerGroup({
    program: new URL('./worker.ts', import.meta.url),
    taskQueue: workflowId,
    folder,
    env: { REPRISE_DATABASE_URL: database.url, STAGES_FOLDER: folder, STAGES_LEASE_MS: String(leaseMs) },
  });
  try {
    const handle = await new Client({ connection }).workflow.start<typeof fiveStages>('fiveStages', {
      workflowId,
      taskQueue: workflowId,
    });
    for (const identity of ['worker-1', 'worker-2', 'worker-3']) workers.start(identity);
    const losses = new Losses(handle, pool, workers, folder);
    const hung = await workers.during(losses.hang());
    console.log(`${hung.signal} to ${hung.worker} in ${hung.stage}: its lease of ${leaseMs} ms must expire`);
    const killed = await workers.during(losses.kill());
    console.log(`${killed.signal} to ${killed.worker} in ${killed.stage}`);
    await workers.during(losses.wake(hung));
    console.log(`SIGCONT to ${hung.worker}: it finishes ${hung.stage}, which another worker has done`);
    const result = await workers.during(handle.result());
    const findings = await workers.during(
      examine(handle, { folder, result, losses: [hung, killed], logFile: workers.get(hung.worker).logFile }),
    );
    const faults = judge(findings);
    for (const line of report(findings, faults)) console.log(line);
    return faults.length === 0;
  } finally {
    await workers.stop();
    await pool.end();
    await connection.close();
    await database.stop();
  }
}

try {
  const { values } = parseArgs({
    options: { lease: { type: 'string', default: '2000' }, help: { type: 'boolean', short: 'h', default: false } },
  });
  const leaseMs = Number(values.lease);
  if (!Number.isInteger(leaseMs) || leaseMs < 1000) {
    throw new Error(`--lease ${values.lease}: expected a whole number from 1000.`);
  }
  if (values.help) console.log(usage);
  else process.exitCode = (await main(leaseMs)) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1); // What still waits for an event of the run must not keep the process alive.
}
