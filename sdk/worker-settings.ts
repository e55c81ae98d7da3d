// What Worker.create may be given, and its checks. Imported when a worker is made, not before: zod takes 80 ms to load.
import { z } from 'zod';
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import type { WorkflowBundleOption } from '../runtime/sandbox/bundle.ts';
import type { Logger } from 'pino';
import type { FailPointListener } from '../runtime/worker/fail-point.ts';
import { checkConnection, type Connection } from './connection.ts';
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
  /** Runs kept in memory; default 1000. 0: workflow code is made again from the log for every turn. */
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
  /** Whether `enhancedStackTraceQuery` may show the text of workflow code; default false. */
  showStackTraceSources?: boolean;
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
  showStackTraceSources: true,
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
  'shutdownForceTime',
  'sinks',
  'stickyQueueScheduleToStartTimeout',
  'tuner',
  'useVersioning',
  'workerDeploymentOptions',
  'workflowThreadPoolSize',
];

/** The options that are numbers and names. */
export interface WorkerSettings {
  readonly taskQueue: string;
  readonly namespace: string;
  readonly identity?: string | undefined;
  readonly maxCachedRuns: number;
  readonly maxConcurrentActivities: number;
  readonly leaseMs: number;
  readonly shutdownGraceTime: number;
  readonly deadlockTimeoutMs: number;
  readonly showStackTraceSources: boolean;
  readonly maxPayloadBytes: number;
}

const checked = z.object({
  taskQueue: z.string().min(1).max(1000),
  namespace: z.string().min(1).max(200).default('default'),
  identity: z.string().optional(),
  maxCachedRuns: z.number().int().min(0).default(1000),
  maxConcurrentActivities: z.number().int().min(1).default(100),
  leaseMs: z.number().int().min(1000).default(5000),
  shutdownGraceTime: z.number().int().min(0).default(0),
  deadlockTimeoutMs: z.number().int().min(10).default(2000),
  showStackTraceSources: z.boolean().default(false),
  maxPayloadBytes: z.number().int().min(1024).default(defaultMaxPayloadBytes),
});

/** With defaults in place. @throws INVALID_INPUT */
export function workerSettings(options: WorkerOptions): WorkerSettings {
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
