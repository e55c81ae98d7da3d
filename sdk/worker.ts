// reprise/worker: runs workflow code and activities of one task queue.
import { hostname } from 'node:os';
import { type Logger, pino } from 'pino';
import { z } from 'zod';
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import {
  bundleWorkflowCode,
  loadBundle,
  type WorkflowBundle,
  type WorkflowBundleOption,
} from '../runtime/sandbox/bundle.ts';
import { Sandbox } from '../runtime/sandbox/sandbox.ts';
import type { ActivityFunction } from '../runtime/worker/activity-context.ts';
import type { FailPointListener } from '../runtime/worker/fail-point.ts';
import { WorkerProcess, type WorkerState } from '../runtime/worker/worker-process.ts';
import { checkConnection, Connection } from './connection.ts';
import { defaultMaxPayloadBytes } from './encode-arguments.ts';
import { refuseUnknown } from './refuse-unknown.ts';

export interface WorkerOptions {
  connection: Connection;
  taskQueue: string;
  namespace?: string;
  /** The file that exports workflow functions: a path, or `new URL('./workflows.ts', import.meta.url)`. */
  workflowsPath?: string | URL;
  /** What `bundleWorkflowCode` made. Either this or workflowsPath. */
  workflowBundle?: WorkflowBundleOption;
  activities?: object;
  identity?: string;
  /** Packages that are evaluated once for all runs, and frozen. */
  bundlerOptions?: { preloadModules?: string[]; ignoreModules?: string[] };
  /** Runs kept in memory; default 1000. */
  maxCachedRuns?: number;
  /** Temporal's name for it. */
  maxCachedWorkflows?: number;
  maxConcurrentActivities?: number;
  /** Temporal's name for it; default 100. */
  maxConcurrentActivityTaskExecutions?: number;
  /** How long a worker that does not answer is believed alive, ms; default 5000. */
  leaseMs?: number;
  /** How long running activities may go on after shutdown() before they are told to stop, ms or '10s'; default 0. */
  shutdownGraceTime?: number;
  /** An activation that computes for longer is interrupted, ms; default 2000. */
  deadlockTimeoutMs?: number;
  maxPayloadBytes?: number;
  logger?: Logger;
  /** @internal */
  failPoint?: FailPointListener;
}

const known = Object.keys({
  connection: true,
  taskQueue: true,
  namespace: true,
  workflowsPath: true,
  workflowBundle: true,
  activities: true,
  identity: true,
  bundlerOptions: true,
  maxCachedRuns: true,
  maxCachedWorkflows: true,
  maxConcurrentActivities: true,
  maxConcurrentActivityTaskExecutions: true,
  leaseMs: true,
  shutdownGraceTime: true,
  deadlockTimeoutMs: true,
  maxPayloadBytes: true,
  logger: true,
  failPoint: true,
} satisfies Record<keyof WorkerOptions, true>);
const unsupported = [
  'activityDefaults',
  'buildId',
  'dataConverter',
  'debugMode',
  'defaultHeartbeatThrottleInterval',
  'enableNonLocalActivities',
  'enableSDKTracing',
  'interceptors',
  'isolateExecutionTimeout',
  'maxActivitiesPerSecond',
  'maxConcurrentActivityTaskPolls',
  'maxConcurrentLocalActivityExecutions',
  'maxConcurrentWorkflowTaskExecutions',
  'maxConcurrentWorkflowTaskPolls',
  'maxHeartbeatThrottleInterval',
  'maxTaskQueueActivitiesPerSecond',
  'nexusServices',
  'nonStickyToStickyPollRatio',
  'plugins',
  'reuseV8Context',
  'showStackTraceSources',
  'shutdownForceTime',
  'sinks',
  'stickyQueueScheduleToStartTimeout',
  'tuner',
  'useVersioning',
  'workerDeploymentOptions',
  'workflowThreadPoolSize',
];

const checked = z.object({
  taskQueue: z.string().min(1).max(1000),
  namespace: z.string().min(1).max(200).default('default'),
  identity: z.string().optional(),
  maxCachedRuns: z.number().int().min(1).default(1000),
  maxConcurrentActivities: z.number().int().min(1).default(100),
  leaseMs: z.number().int().min(1000).default(5000),
  shutdownGraceTime: z.number().int().min(0).default(0),
  deadlockTimeoutMs: z.number().int().min(10).default(2000),
  maxPayloadBytes: z.number().int().min(1024).default(defaultMaxPayloadBytes),
});

export class Worker {
  readonly #process: WorkerProcess;
  readonly #sandbox: Sandbox;

  private constructor(process: WorkerProcess, sandbox: Sandbox) {
    this.#process = process;
    this.#sandbox = sandbox;
  }

  /** Bundles the workflow code and prepares a worker. @throws RuntimeError BUNDLE_FAILED, INVALID_INPUT */
  static async create(options: WorkerOptions): Promise<Worker> {
    const settings = check(options);
    const activities = activityMap(options.activities ?? {});
    const { database } = options.connection;
    const bundle = await bundleOf(options);
    const sandbox = Sandbox.create(bundle, { deadlockTimeoutMs: settings.deadlockTimeoutMs });
    const worker = new WorkerProcess({
      database,
      sandbox,
      bundleHash: bundle.hash,
      identity: settings.identity ?? `${process.pid}@${hostname()}`,
      namespace: settings.namespace,
      taskQueue: settings.taskQueue,
      activities,
      maxCachedRuns: settings.maxCachedRuns,
      maxConcurrentActivities: settings.maxConcurrentActivities,
      maxPayloadBytes: settings.maxPayloadBytes,
      leaseMs: settings.leaseMs,
      shutdownGraceMs: settings.shutdownGraceTime,
      failPoint: options.failPoint,
      logger: options.logger ?? pino({ name: 'reprise', level: process.env['REPRISE_LOG_LEVEL'] ?? 'info' }),
    });
    return new Worker(worker, sandbox);
  }

  /** Works until shutdown(). */
  async run(): Promise<void> {
    try {
      await this.#process.run();
    } finally {
      this.#sandbox.dispose();
    }
  }

  /** Works until the promise settles (or the function's promise does), then shuts down; gives its result. */
  async runUntil<T>(work: Promise<T> | (() => Promise<T>)): Promise<T> {
    const running = this.run();
    try {
      const settled = typeof work === 'function' ? work() : work;
      return await Promise.race([settled, running.then(() => settled)]);
    } finally {
      this.shutdown();
      await running;
    }
  }

  shutdown(): void {
    this.#process.shutdown();
  }

  getState(): WorkerState {
    return this.#process.state;
  }

  /** Epoch of the present incarnation and the number of runs it has in memory. */
  getStatus(): { runState: WorkerState; epoch: number | undefined; cachedRuns: number } {
    return { runState: this.#process.state, epoch: this.#process.epoch, cachedRuns: this.#process.runCount };
  }
}

function check(options: WorkerOptions): z.infer<typeof checked> {
  refuseUnknown('Worker.create', options, known, unsupported);
  checkConnection('Worker.create', options.connection);
  if (options.bundlerOptions !== undefined) {
    refuseUnknown('bundlerOptions', options.bundlerOptions, ['preloadModules', 'ignoreModules'], ['webpackConfigHook']);
  }
  const result = checked.safeParse({
    ...options,
    maxCachedRuns: options.maxCachedRuns ?? options.maxCachedWorkflows,
    maxConcurrentActivities: options.maxConcurrentActivities ?? options.maxConcurrentActivityTaskExecutions,
  });
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new RuntimeError('INVALID_INPUT', `Worker option ${issue.path.join('.')}: ${issue.message}.`, {
      cause: result.error,
    });
  }
  return result.data;
}

async function bundleOf(options: WorkerOptions): Promise<WorkflowBundle> {
  if (options.workflowBundle !== undefined) return loadBundle(options.workflowBundle);
  if (options.workflowsPath === undefined) {
    throw new RuntimeError('INVALID_INPUT', 'Worker.create needs workflow code: pass workflowsPath or workflowBundle.');
  }
  return bundleWorkflowCode({ workflowsPath: options.workflowsPath, ...options.bundlerOptions });
}

function activityMap(activities: object): Record<string, ActivityFunction> {
  const map: Record<string, ActivityFunction> = {};
  const entries = Object.entries(activities);
  for (const [name, fn] of entries) if (typeof fn === 'function') map[name] = fn as ActivityFunction;
  // Constants beside functions are what a module of activities exports. An instance hides its methods in its class.
  const prototype: unknown = Object.getPrototypeOf(activities);
  const isPlain = typeof activities === 'object' && (prototype === Object.prototype || prototype === null);
  if (!isPlain || (entries.length > 0 && Object.keys(map).length === 0)) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'activities must be a plain object of functions, for example `import * as activities` of a file that exports them.',
    );
  }
  return map;
}

export { Connection as NativeConnection } from './connection.ts';
export { Connection };
export { bundleWorkflowCode, type WorkflowBundle };
export type { WorkerState };
