// A worker process: node worker.ts <task queue> <identity>. Uses the database of REPRISE_DATABASE_URL.
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';
import { stages } from './activities.ts';
import { StageLog } from './stage-log.ts';

const [taskQueue = 'five-stages', identity = `worker ${process.pid}`] = process.argv.slice(2);
const { STAGES_FOLDER: folder = process.cwd(), STAGES_LEASE_MS: leaseMs = '5000' } = process.env;
const connection = await Connection.connect();
const worker = await Worker.create({
  connection,
  taskQueue,
  identity,
  leaseMs: Number(leaseMs),
  // Epochs are short here, so each heartbeat is stored.
  defaultHeartbeatThrottleInterval: '1 ms',
  workflowsPath: new URL('./workflows.ts', import.meta.url),
  activities: stages(new StageLog(folder, identity)),
});
// `disconnect`: the parent process has ended.
for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) process.once(event, () => worker.shutdown());
await worker.run();
await connection.close();
if (process.connected) process.disconnect();
