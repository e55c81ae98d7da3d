// A worker in a separate process that tests kill. argv: the database's URL, then `Options` as JSON.
import process from 'node:process';
import { pino } from 'pino';
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';
import * as activities from '../support/fixtures/activities.ts';
import * as tools from '../support/fixtures/tools.ts';
import { recordingBegins } from './attempts.ts';

interface Options {
  taskQueue: string;
  failPoint?: string;
  /** The process kills itself when it reaches the fail point for the nth time. Default: 1. */
  hits?: number;
  leaseMs?: number;
  maxCachedRuns?: number;
  clockAheadMs?: number;
  /** Build id in the deployment `shop`. */
  build?: { id: string };
  /** Path of a workflow bundle. A worker without workflows has the activities of `tools`. */
  workflows?: string;
}

const [url, text] = process.argv.slice(2) as [string, string];
const options = JSON.parse(text) as Options;
let hits = 0;
if (options.clockAheadMs !== undefined) setClock(options.clockAheadMs);
const connection = await Connection.connect({ connectionString: url });
const database = { url, epoch: () => worker.getStatus().epoch };
const worker: Worker = await Worker.create({
  connection,
  taskQueue: options.taskQueue,
  ...(options.workflows === undefined
    ? { activities: recordingBegins(tools, database) }
    : { workflowBundle: { codePath: options.workflows }, activities: recordingBegins(activities, database) }),
  ...(options.build === undefined
    ? {}
    : {
        workerDeploymentOptions: {
          version: { deploymentName: 'shop', buildId: options.build.id },
          useWorkerVersioning: true,
          defaultVersioningBehavior: 'PINNED',
        },
      }),
  logger: pino({ level: process.env['REPRISE_LOG_LEVEL'] ?? 'silent' }, pino.destination(2)),
  ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
  ...(options.maxCachedRuns === undefined ? {} : { maxCachedRuns: options.maxCachedRuns }),
  failPoint: (point) => {
    if (point === options.failPoint && ++hits === (options.hits ?? 1)) process.kill(process.pid, 'SIGKILL');
  },
});
process.on('SIGTERM', () => worker.shutdown());
process.on('disconnect', () => process.exit(1));
const running = worker.run();
while (worker.getStatus().epoch === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
process.send?.(worker.getStatus().epoch);
await running;
await connection.close();
process.disconnect?.();

/** Shifts the process's wall clock: Date.now() and performance.timeOrigin. */
function setClock(aheadMs: number): void {
  const now = Date.now;
  Date.now = () => now() + aheadMs;
  Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + aheadMs });
}
