// A worker process: node worker.ts <task queue> <identity>. The database is REPRISE_DATABASE_URL's.
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';
import * as activities from './activities.ts';

const [taskQueue = 'warehouse', identity = `worker ${process.pid}`] = process.argv.slice(2);
const connection = await Connection.connect();
const worker = await Worker.create({
  connection,
  taskQueue,
  identity,
  workflowsPath: new URL('./workflows.ts', import.meta.url),
  activities,
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => worker.shutdown());
await worker.run();
await connection.close();
