// A worker process of Reprise for the comparison with its peers. Uses the built package, as users have it, and the
// benchmarks' workflows. The process reports the first call of its activity and, on request, the number of calls.
import { pino } from 'pino';
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';

let calls = 0;
const opened = Date.now();
const connection = await Connection.connect({ connectionString: process.argv[2]! });
const worker = await Worker.create({
  connection,
  taskQueue: 'bench',
  workflowsPath: new URL('./workflows.ts', import.meta.url),
  activities: {
    async echo(payload: unknown): Promise<unknown> {
      calls += 1;
      if (calls === 1) process.send?.({ opened, firstStep: Date.now() });
      return payload;
    },
  },
  maxConcurrentActivities: 1000,
  logger: pino({ level: 'error' }),
});
process.on('SIGTERM', () => worker.shutdown());
process.on('disconnect', () => process.exit(1));
process.on('message', () => process.send?.({ calls }));
const running = worker.run();
while (worker.getStatus().epoch === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
process.send?.('ready');
await running;
await connection.close();
process.disconnect?.();
