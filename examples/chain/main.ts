// node -C reprise-source examples/chain/main.ts: a chain of model calls meets a rate limit. Shows that no other call is
// repeated or paid again, and compares the run with one that was slow enough from the start.
import { Client, Connection, readRunBundle, type WorkflowHandle } from 'reprise/client';
import { startPostgres } from 'reprise/server';
import { Worker } from 'reprise/worker';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as activities from './activities.ts';
import { callsOf, type Call } from './calls.ts';
import type { improvementChain } from './workflows.ts';

const prompt = 'the ethics of AI';
const critics = ['reflexion', 'constitutional'];

const given = process.env['REPRISE_DATABASE_URL'];
const postgres = given === undefined ? await startPostgres({ folder: process.cwd() }) : undefined;
const connection = await Connection.connect({ connectionString: given ?? postgres!.url });
try {
  const name = `chain-${Date.now().toString(36)}`;
  const client = new Client({ connection });
  const workflowsPath = new URL('./workflows.ts', import.meta.url);
  const worker = await Worker.create({ connection, taskQueue: name, workflowsPath, activities });
  const runs = await worker.runUntil(async () => {
    const start = async (id: string, delayMs: number): Promise<WorkflowHandle> => {
      const handle = await client.workflow.start<typeof improvementChain>('improvementChain', {
        workflowId: `${name}-${id}`,
        taskQueue: name,
        args: [{ prompt, critics, delayMs }],
      });
      await handle.result();
      return handle;
    };
    return { hurried: await start('hurried', 0), slow: await start('slow', 20) };
  });
  await show(runs.hurried, runs.slow);
} finally {
  await connection.close();
  if (postgres?.startedHere === true) await postgres.stop();
}

async function show(hurried: WorkflowHandle, slow: WorkflowHandle): Promise<void> {
  const calls = await callsOf(hurried);
  for (const call of calls) console.log(lineOf(call));
  const total = calls.reduce((sum, { costUsd }) => sum + costUsd, 0);
  console.log(`total ${dollars(total)}: each call is paid once`);

  const diff = await hurried.compare(slow);
  const { same, differs, missing, extra } = diff.counts;
  console.log(`compared with the slow run: ${same} same, ${differs} differ, ${missing + extra} more or fewer`);
  const first = diff.items[diff.firstDivergence?.index ?? -1];
  console.log(`first divergence: ${first?.id}, ${first?.differences.join(' and ')} (the pause is another)`);
  console.log(`same text in the end: ${diff.context.length === 0 && diff.sameOutcome}`);

  const folder = join(process.cwd(), '.reprise');
  mkdirSync(folder, { recursive: true });
  const { file } = await hurried.export({ file: join(folder, `${hurried.workflowId}.reprise.gz`) });
  const bundle = await readRunBundle(file);
  console.log(`${bundle.head} events are in ${file}, intact: look with gunzip, or`);
  console.log(`  npm run -s reprise -- workflow verify --file ${file}`);
}

function lineOf({ id, refusals, costUsd }: Call): string {
  const why = refusals.length === 0 ? '' : `  after ${refusals.length} refusals: ${refusals[0]}`;
  return `${id.padEnd(28)} ${dollars(costUsd)}${why}`;
}

function dollars(amount: number): string {
  return `$${amount.toFixed(3)}`;
}
