// A worker process of the benchmarks. The parent process kills or stops it, or asks how much memory it uses.
import { pino } from 'pino';
import { Connection } from 'reprise/client';
import { Worker } from 'reprise/worker';
import type { BenchWorkerOptions, Memory } from './bench-worker.ts';

const {
  workflows,
  activities,
  dies,
  clockAheadMs,
  env: _env,
  ...options
} = JSON.parse(process.argv[2] ?? '{}') as BenchWorkerOptions;
if (clockAheadMs !== undefined) setClock(clockAheadMs);
const connection = await Connection.connect();
let times = 0;
const worker = await Worker.create({
  ...(options.workflowBundle === undefined
    ? { workflowsPath: workflows ?? new URL('./workflows.ts', import.meta.url) }
    : {}),
  maxConcurrentActivities: 1000,
  ...options,
  connection,
  activities: (await import(activities ?? new URL('./activities.ts', import.meta.url).href)) as object,
  logger: pino({ level: process.env['REPRISE_LOG_LEVEL'] ?? 'error' }),
  ...(dies === undefined
    ? {}
    : {
        failPoint: (point: string) => {
          if (point === dies.at && ++times === dies.time) process.kill(process.pid, 'SIGKILL');
        },
      }),
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

/** Shifts the process's wall clock: Date.now() and performance.timeOrigin. */
function setClock(aheadMs: number): void {
  const now = Date.now;
  Date.now = () => now() + aheadMs;
  Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + aheadMs });
}
