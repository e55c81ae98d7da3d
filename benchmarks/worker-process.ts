// A worker process of the benchmarks. The parent process kills or stops it, or asks how much memory it uses.
import { pino } from 'pino';
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';
import * as activities from './activities.ts';
import type { BenchWorkerOptions, Memory } from './bench-worker.ts';

const { workflows, ...options } = JSON.parse(process.argv[2] ?? '{}') as BenchWorkerOptions;
const connection = await Connection.connect();
const worker = await Worker.create({
  ...options,
  connection,
  workflowsPath: workflows ?? new URL('./workflows.ts', import.meta.url),
  activities,
  maxConcurrentActivities: 1000,
  logger: pino({ level: 'error' }),
});
process.on('SIGTERM', () => worker.shutdown());
process.on('disconnect', () => process.exit(1));

let peak: number | undefined;
process.on('message', () => {
  const rss = process.memoryUsage.rss();
  if (peak === undefined) {
    peak = process.resourceUsage().maxRSS * 1024;
    setInterval(() => (peak = Math.max(peak ?? 0, process.memoryUsage.rss())), 50).unref();
  }
  process.send?.({ rss, peak: Math.max(peak, rss) } satisfies Memory);
  peak = rss;
});

const running = worker.run();
while (worker.getStatus().epoch === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
process.send?.('ready');
await running;
await connection.close();
process.disconnect?.();
