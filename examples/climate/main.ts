// npm run start:climate: a pipeline fails in its third stage. Every process stops, other processes resume it, a person
// reviews, and the report follows. Shows that no finished stage is executed again.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { Client, Connection } from 'reprise/client';
import { openDatabase } from '../processes/database.ts';
import { reprise } from '../processes/reprise-command.ts';
import { WorkerGroup } from '../processes/worker-group.ts';
import { executionFileVariable, outageVariable } from './activities.ts';
import { analysisOf, joined, readMeasurements } from './climate.ts';
import { type Failed, stageIn, untilDone, untilFailed } from './look.ts';
import type { climatePipeline, Review } from './workflows.ts';

const usage = `npm run start:climate

Relates 60 years of temperatures to CO2. The stage "analyze" fails once, and the run fails with it. Then all workers
stop, and a new one continues the run where it failed. The run waits until a person has reviewed the analysis.

  --help  print this

The database is REPRISE_DATABASE_URL's, or a Postgres of its own in .reprise/ of this folder.`;

const executionsExpected = { ingest: 1, preprocess: 1, analyze: 2, report: 1 };

async function main(): Promise<boolean> {
  console.log('Starting the database …');
  const database = await openDatabase();
  const connection = await Connection.connect({ connectionString: database.url });
  const workflowId = `climate-${Date.now().toString(36)}`;
  const folder = join(process.cwd(), '.reprise', workflowId);
  const executionFile = join(folder, 'executions.txt');
  const workersOf = (env: Record<string, string> = {}): WorkerGroup =>
    new WorkerGroup({
      program: new URL('./worker.ts', import.meta.url),
      taskQueue: workflowId,
      folder,
      env: { REPRISE_DATABASE_URL: database.url, [executionFileVariable]: executionFile, ...env },
    });
  let workers = workersOf({ [outageVariable]: '1' });
  try {
    const { workflow } = new Client({ connection });
    const started = await workflow.start<typeof climatePipeline>('climatePipeline', {
      workflowId,
      taskQueue: workflowId,
    });
    workers.start('worker-1');
    const failed = await workers.during(untilFailed(started));
    console.log(`status  ${failed.status} in ${failed.stage}: ${failed.message}`);
    console.log(`path    ${failed.path.join(' → ')}`);
    console.log(`state   ${JSON.stringify(failed.state)}`);
    await workers.stop();
    console.log('\nEvery worker has stopped.');

    const resume = ['workflow', 'resume', workflowId, '--reason', 'the system works again'];
    if (!(await reprise(database.url, resume))) return false;
    workers = workersOf();
    workers.start('worker-2');
    // A closed run is never reopened: the workflow id now names a fork of it.
    const handle = workflow.getHandle<typeof climatePipeline>(workflowId);
    await workers.during(untilDone(handle, 'analyze'));
    const { runId } = await handle.describe();
    console.log(`run ${runId} goes on where run ${failed.runId} failed, and waits for the review`);
    await workers.stop();
    console.log('\nEvery worker has stopped. A run that waits is a row in the database.');

    const review: Review = { reviewer: 'Ann' };
    const signal = ['workflow', 'signal', workflowId, 'review', JSON.stringify(review)];
    if (!(await reprise(database.url, signal))) return false;
    workers = workersOf();
    workers.start('worker-3');
    const report = await workers.during(handle.result());
    const executions = countOf(readFileSync(executionFile, 'utf8').trimEnd().split('\n'));
    console.log(`report  ${report}\n`);
    for (const [stage, count] of Object.entries(executions)) console.log(`${stage.padEnd(12)} executed ${count}`);

    const faults = judge({ executions, failed, report, isIntact: (await handle.verify()).ok });
    console.log(`\n${faults.length === 0 ? 'Everything held.' : faults.map((fault) => `FAULT: ${fault}`).join('\n')}`);
    console.log(`\nLook further:\n  npm run -s reprise -- workflow lineage ${workflowId}`);
    return faults.length === 0;
  } finally {
    await workers.stop();
    await connection.close();
    await database.stop();
  }
}

interface Findings {
  /** Times that each stage was executed, by a file outside the database. */
  readonly executions: Readonly<Record<string, number>>;
  readonly failed: Failed;
  readonly report: string;
  readonly isIntact: boolean;
}

/** Returns the expectations that failed; an empty list if none failed. */
function judge({ executions, failed, report, isIntact }: Findings): string[] {
  const faults: string[] = [];
  if (!isDeepStrictEqual(executions, executionsExpected)) faults.push('a stage was executed more or less often');
  if (failed.stage !== 'analyze') faults.push(`${failed.stage} failed, expected analyze`);
  if (stageIn(failed.state) !== 'preprocess') faults.push('the failed run lost the state after preprocess');
  if (!isIntact) faults.push('the hash chain of the log is broken');
  const { per100ppm } = analysisOf(joined(readMeasurements()));
  if (!report.startsWith(`${per100ppm.toFixed(2)} °C`)) faults.push('the report is not that of a plain call');
  return faults;
}

function countOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } });
  if (values.help) console.log(usage);
  else process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1); // What still waits for an event of the run must not keep the process alive.
}
