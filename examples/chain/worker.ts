// A worker process: node worker.ts <task queue> <identity>. Uses the database of REPRISE_DATABASE_URL.
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';
import * as activities from './activities.ts';

const [taskQueue = 'chain', identity = `worker ${process.pid}`] = process.argv.slice(2);
const connection = await Connection.connect();
const worker = await Worker.create({
  connection,
  taskQueue,
  identity,
  workflowsPath: new URL('./workflows.ts', import.meta.url),
  activities,
});
// `disconnect`: the parent process has ended.
for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) process.once(event, () => worker.shutdown());
await worker.run();
await connection.close();
if (process.connected) process.disconnect();
