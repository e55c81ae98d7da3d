// npm run start:chain: chains of model calls meet a rate limit and a false alarm. Shows that no other call is repeated or
// paid again, whether the engine tries again by itself or an operator helps.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, Connection, type WorkflowHandle } from 'reprise/client';
import { openDatabase } from '../processes/database.ts';
import { WorkerGroup } from '../processes/worker-group.ts';
import { compare } from './compare.ts';
import { Operator } from './operator.ts';
import { whatIf } from './what-if.ts';
import type { ChainInput, improvementChain } from './workflows.ts';

const usage = `npm run start:chain

Writes a text with a stub of a language model and improves it. The provider refuses calls that come too fast.

  --help  print this

The database is REPRISE_DATABASE_URL's, or a Postgres of its own in .reprise/ of this folder.`;

async function main(): Promise<boolean> {
  console.log('Starting the database …');
  const database = await openDatabase();
  const connection = await Connection.connect({ connectionString: database.url });
  const name = `chain-${Date.now().toString(36)}`;
  const folder = join(process.cwd(), '.reprise', name);
  const workers = new WorkerGroup({
    program: new URL('./worker.ts', import.meta.url),
    taskQueue: name,
    folder,
    env: { REPRISE_DATABASE_URL: database.url },
  });
  try {
    const { workflow } = new Client({ connection });
    const start = (id: string, input: ChainInput): Promise<WorkflowHandle> =>
      workflow.start<typeof improvementChain>('improvementChain', {
        workflowId: `${name}-${id}`,
        taskQueue: name,
        args: [input],
      });
    workers.start('worker-1');
    const operator = new Operator(database.url);
    const faults = [
      ...(await workers.during(compare(start, folder))),
      ...(await workers.during(whatIf(workflow.getHandle(`${name}-slow`)))),
      ...(await workers.during(operator.slowDown(start))),
      ...(await workers.during(operator.overrule(start))),
    ];
    console.log(`\n${faults.length === 0 ? 'Everything held.' : faults.map((fault) => `FAULT: ${fault}`).join('\n')}`);
    return faults.length === 0;
  } finally {
    await workers.stop();
    await connection.close();
    await database.stop();
  }
}

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } });
  if (values.help) console.log(usage);
  else process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1); // What still waits for an event of the run must not keep the process alive.
}
