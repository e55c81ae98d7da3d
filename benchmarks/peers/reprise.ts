// Reprise as one of the systems: public API, and default settings except 1000 concurrent activities. The worker is a
// separate process unless the variant is `one process`. Imports Reprise by path, because this folder is a separate
// package.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import { Client, Connection } from '../../sdk/client.ts';
import { Worker } from '../../sdk/worker.ts';
import * as activities from '../activities.ts';
import type { Adapter, Engine, Input, Kind } from './adapter.ts';
import { isWord, messageFrom } from './child-messages.ts';

const taskQueue = 'bench';
const workflowNames: Record<Kind, string> = {
  one: 'oneActivity',
  sequential: 'sequential',
  fanOut: 'fanOut',
  hold: 'sequentialThenWait',
};

let nextId = 0;

export const reprise: Adapter = {
  async open({ url, variant }) {
    const connection = await Connection.connect({ connectionString: url });
    const stopWorker = variant === 'one process' ? await workHere(connection) : await workElsewhere(url);
    return {
      ...clientOf(connection),
      async stop() {
        await stopWorker();
        await connection.close();
      },
    };
  },
};

function clientOf(connection: Connection): Pick<Engine, 'execute' | 'start'> {
  const client = new Client({ connection });
  const options = (kind: Kind, { payload, steps }: Input) => ({
    workflowId: `bench-${process.pid}-${nextId++}`,
    taskQueue,
    args: kind === 'one' ? [payload] : [payload, steps],
  });
  return {
    execute: (kind, input) => client.workflow.execute(workflowNames[kind], options(kind, input)),
    start: (kind, input) => client.workflow.start(workflowNames[kind], options(kind, input)),
  };
}

async function workHere(connection: Connection): Promise<() => Promise<void>> {
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowsPath: new URL('../workflows.ts', import.meta.url),
    activities,
    maxConcurrentActivities: 1000,
    logger: pino({ level: 'error' }),
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
  };
}

async function workElsewhere(url: string): Promise<() => Promise<void>> {
  const worker = await readyWorker(url);
  return () => stopProcess(worker);
}

export function forkWorker(url: string): ChildProcess {
  return fork(new URL('../shipped-worker-process.ts', import.meta.url), [url], {
    execArgv: [], // without the condition that selects the sources, so that the built package is loaded
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

export async function readyWorker(url: string): Promise<ChildProcess> {
  const worker = forkWorker(url);
  await messageFrom(worker, isWord('ready'));
  return worker;
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
