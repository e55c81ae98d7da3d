// A worker and a client in this process, with a separate database, for tests that need the whole engine.
import { after } from 'node:test';
import { type Logger, pino } from 'pino';
import type pg from 'pg';
import { Client, Connection, type WorkflowHandle } from 'reprise/client';
import { Worker, type WorkerOptions } from 'reprise/worker';
import { fixtureBundle } from './bundles.ts';
import { testDatabase } from './database.ts';
import * as activities from './fixtures/activities.ts';

export interface TestEngine {
  readonly url: string;
  readonly connection: Connection;
  readonly client: Client;
  readonly pool: pg.Pool;
  readonly taskQueue: string;
  start(workflow: string, args?: readonly unknown[], workflowId?: string): Promise<WorkflowHandle>;
  /** Repeats `ask` until its result is neither undefined nor false. Resolves with that result. */
  until<T>(ask: () => Promise<T | undefined | false>): Promise<T>;
}

export const quiet: Logger = pino({ level: process.env['REPRISE_LOG_LEVEL'] ?? 'silent' });

/**
 * Creates a worker with the activities and, unless `options` has others, the workflows of the fixtures. Does not run
 * it.
 */
export async function fixtureWorker(
  connection: Connection,
  taskQueue: string,
  options: Partial<WorkerOptions> = {},
): Promise<Worker> {
  const hasCode = options.workflowsPath !== undefined || options.workflowBundle !== undefined;
  return Worker.create({
    connection,
    taskQueue,
    ...(hasCode ? {} : { workflowBundle: await fixtureBundle('workflows.ts') }),
    activities,
    logger: quiet,
    ...options,
  });
}

/** Call at the top of a file or suite. Everything stops at the end of that file or suite. */
export async function testEngine(options: Partial<WorkerOptions> = {}): Promise<TestEngine> {
  // Hooks run in the order in which they are set, and the worker must stop before its database is dropped.
  let stop = async (): Promise<void> => undefined;
  after(() => stop());
  const database = await testDatabase();
  const connection = await Connection.connect({ connectionString: database.url });
  const client = new Client({ connection });
  const taskQueue = 'test';
  const worker = await fixtureWorker(connection, taskQueue, { deadlockTimeoutMs: 200, ...options });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
    await connection.close();
  };
  let nextId = 0;
  return {
    url: database.url,
    connection,
    client,
    pool: database.pool,
    taskQueue,
    start: (workflow, args = [], workflowId = `${workflow}-${nextId++}`) =>
      client.workflow.start(workflow, { workflowId, taskQueue, args }),
    until,
  };
}

export async function until<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
