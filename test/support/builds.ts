// Runs workers of several builds of one deployment in this process.
import { after } from 'node:test';
import type pg from 'pg';
import { Client, Connection, type WorkflowHandle } from 'reprise/client';
import type { VersioningBehavior } from 'reprise/common';
import { Worker, type WorkerOptions } from 'reprise/worker';
import { fixtureBundle } from './bundles.ts';
import { testDatabase } from './database.ts';
import { quiet } from './engine.ts';
import * as activities from './fixtures/activities.ts';

export const deploymentName = 'shop';

export interface RunningBuild {
  readonly buildId: string;
  readonly worker: Worker;
  stop(): Promise<void>;
}

export interface BuildLab {
  readonly connectionString: string;
  readonly connection: Connection;
  readonly client: Client;
  readonly pool: pg.Pool;
  /**
   * Starts a worker. Build ids that do not begin with 1 get the code of builds-next.ts. Resolves when the worker runs.
   */
  build(buildId: string, options?: BuildOptions): Promise<RunningBuild>;
  /** Stops all other workers and makes this worker's version current. */
  reset(build: RunningBuild): Promise<void>;
  start(workflow: string, options?: StartOptions): Promise<WorkflowHandle>;
}

export interface BuildOptions extends Partial<WorkerOptions> {
  readonly behavior?: VersioningBehavior;
  readonly queue?: string;
}

export interface StartOptions {
  readonly args?: readonly unknown[];
  readonly workflowId?: string;
  readonly queue?: string;
  readonly [option: string]: unknown;
}

/** Call at the top of a file. Everything stops at the end of the file. `queue`: the default for workers and starts. */
export async function buildLab(queue: string, common: Partial<WorkerOptions> = {}): Promise<BuildLab> {
  const running: RunningBuild[] = [];
  after(async () => {
    await Promise.all(running.map((build) => build.stop()));
    await connection.close();
  });
  const database = await testDatabase();
  const connection = await Connection.connect({ connectionString: database.url });
  const client = new Client({ connection });
  let nextId = 0;
  return {
    connectionString: database.url,
    connection,
    client,
    pool: database.pool,
    async build(buildId, { behavior = 'PINNED', queue: taskQueue = queue, ...options } = {}) {
      const file = buildId.startsWith('1') ? 'builds.ts' : 'builds-next.ts';
      const worker = await Worker.create({
        connection,
        taskQueue,
        workflowBundle: await fixtureBundle(file),
        activities,
        logger: quiet,
        workerDeploymentOptions: {
          version: { deploymentName, buildId },
          useWorkerVersioning: true,
          defaultVersioningBehavior: behavior,
        },
        ...common,
        ...options,
      });
      const ended = worker.run();
      const build = {
        buildId,
        worker,
        stop: (): Promise<void> => {
          worker.shutdown();
          return ended;
        },
      };
      running.push(build);
      while (worker.getStatus().epoch === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
      return build;
    },
    async reset(build) {
      await client.workerDeployment.setRampingVersion(deploymentName, null);
      await client.workerDeployment.setCurrentVersion(deploymentName, build.buildId);
      await Promise.all(running.filter((other) => other !== build).map((other) => other.stop()));
    },
    start(workflow, { args = [], workflowId = `${workflow}-${nextId++}`, queue: taskQueue = queue, ...options } = {}) {
      return client.workflow.start(workflow, { workflowId, taskQueue, args, ...options });
    },
  };
}
