// A worker process of the benchmarks; killed or told to stop by its parent.
import { pino } from 'pino';
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';
import * as activities from './activities.ts';

const connection = await Connection.connect();
const worker = await Worker.create({
  connection,
  taskQueue: process.argv[2] ?? 'bench',
  workflowsPath: new URL('./workflows.ts', import.meta.url),
  activities,
  maxConcurrentActivities: 1000,
  logger: pino({ level: 'error' }),
});
process.on('SIGTERM', () => worker.shutdown());
process.on('disconnect', () => process.exit(1));
const running = worker.run();
while (worker.getStatus().epoch === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
process.send?.('ready');
await running;
await connection.close();
process.disconnect?.();
