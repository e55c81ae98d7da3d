// What Worker.create may be given, and its checks. Imported when a worker is made, not before: zod takes 80 ms to load.
import { z } from 'zod';
import { type Duration, durationMs } from '../../runtime/core/options/duration.ts';
import { refuseReservedName } from '../../runtime/core/options/reserved-name.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { WorkflowInfo } from '../../runtime/activator/info/workflow-info.ts';
import type { WorkflowBundleOption } from '../../runtime/sandbox/bundle/bundle.ts';
import type { Logger } from 'pino';
import type { FailPointListener } from '../../runtime/worker/life/fail-point.ts';
import type { VersioningBehavior, WorkerDeploymentVersion } from '../../runtime/core/run/deployment.ts';
import type { FailureErrorTypes } from '../../runtime/core/failure/failure-types.ts';
import type { WorkerVersion } from '../../runtime/worker/versions/worker-versions.ts';
import { checkConnection, type Connection } from '../common/connection.ts';
import { checkNamespace, checkVersion } from './deployment-version.ts';
import { defaultMaxPayloadBytes } from '../client/encode-arguments.ts';
import { issueText } from '../common/option-issue.ts';
import { refuseUnknown } from '../common/refuse-unknown.ts';

/** Which build of its deployment a worker is, and whether it takes runs by version. */
export type WorkerDeploymentOptions = {
  version: WorkerDeploymentVersion;
} & (
  | {
      useWorkerVersioning: true;
      /** Of workflows that say nothing themselves (`setWorkflowOptions`). */
      defaultVersioningBehavior: VersioningBehavior;
    }
  | { useWorkerVersioning: false; defaultVersioningBehavior?: never }
);

export interface PatchActivationInput {
  readonly workflowInfo: WorkflowInfo;
  /** What `patched` was given. */
  readonly patchId: string;
}
export type PatchActivationCallback = (input: PatchActivationInput) => boolean;

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
  /**
   * Runs kept in memory, besides those whose activities are executed; default 1000. 0: workflow code is made again from the
   * log for every turn.
   */
  maxCachedRuns?: number;
  /** Temporal's name for it. */
  maxCachedWorkflows?: number;
  maxConcurrentActivities?: number;
  /** Temporal's name for it; default 100. */
  maxConcurrentActivityTaskExecutions?: number;
  /** Local activities have places of their own; default 100. */
  maxConcurrentLocalActivityExecutions?: number;
  /** False: the activities here are for local calls alone, others are left to the queue's other workers. Default true. */
  enableNonLocalActivities?: boolean;
  /** What is reported of an activity without a heartbeat timeout is stored at most once in so long; default 30 s. */
  defaultHeartbeatThrottleInterval?: Duration;
  /** And of any activity as often as this; else at most once in 80 % of its heartbeat timeout. Default 60 s. */
  maxHeartbeatThrottleInterval?: Duration;
  /** How long a worker that does not answer is believed alive, ms; default 5000. */
  leaseMs?: number;
  /** How long running activities may go on after shutdown() before they are told to stop, ms or '10s'; default 0. */
  shutdownGraceTime?: Duration;
  /** When run() gives up stopping in order and throws, from shutdown() on; default never. */
  shutdownForceTime?: Duration;
  /** Activities that this worker starts in a second; default without limit. */
  maxActivitiesPerSecond?: number;
  /** Activities that all workers of the task queue together start in a second; those that set it keep to it. */
  maxTaskQueueActivitiesPerSecond?: number;
  /** An activation that computes for longer is interrupted, ms; default 2000. */
  deadlockTimeoutMs?: number;
  /** Whether `enhancedStackTraceQuery` may show the text of workflow code; default false. */
  showStackTraceSources?: boolean;
  maxPayloadBytes?: number;
  workerDeploymentOptions?: WorkerDeploymentOptions;
  /**
   * Names of error classes (subclasses included) that fail a run instead of its task, by workflow type or `*`; `Error`
   * stands for all, `NondeterminismError` for a history that the code cannot follow.
   */
  workflowFailureErrorTypes?: Record<string, string[]>;
  /**
   * Asked when a run comes to a `patched` for the first time: false lets it take the old code, and leaves no marker. So code
   * can be rolled out everywhere before any run takes it. Must be quick, and synchronous.
   */
  patchActivationCallback?: PatchActivationCallback;
  /** Temporal's older options, without meaning here; true is refused, `workerDeploymentOptions` says it now. */
  buildId?: string;
  useVersioning?: boolean;
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
  maxConcurrentLocalActivityExecutions: true,
  enableNonLocalActivities: true,
  defaultHeartbeatThrottleInterval: true,
  maxHeartbeatThrottleInterval: true,
  leaseMs: true,
  shutdownGraceTime: true,
  shutdownForceTime: true,
  maxActivitiesPerSecond: true,
  maxTaskQueueActivitiesPerSecond: true,
  deadlockTimeoutMs: true,
  showStackTraceSources: true,
  maxPayloadBytes: true,
  workerDeploymentOptions: true,
  workflowFailureErrorTypes: true,
  patchActivationCallback: true,
  buildId: true,
  useVersioning: true,
  logger: true,
} satisfies Record<Exclude<keyof WorkerOptions, 'failPoint'>, true>);
const unsupported = [
  'activityDefaults',
  'dataConverter',
  'debugMode',
  'disablePayloadErrorLimit',
  'interceptors',
  'isolateExecutionTimeout',
  'maxConcurrentNexusTaskExecutions',
  'maxConcurrentWorkflowTaskExecutions',
  'nexusServices',
  'plugins',
  'sinks',
  'tuner',
];
/** Of Temporal's server and its Rust core: polls, sticky queues, threads. */
const meaningless = [
  'activityTaskPollerBehavior',
  'enableSDKTracing',
  'maxConcurrentActivityTaskPolls',
  'maxConcurrentNexusTaskPolls',
  'maxConcurrentWorkflowTaskPolls',
  'maxEagerActivityReservationsPerWorkflowTask',
  'nexusTaskPollerBehavior',
  'nonStickyToStickyPollRatio',
  'reuseV8Context',
  'stickyQueueScheduleToStartTimeout',
  'workflowTaskPollerBehavior',
  'workflowThreadPoolSize',
];

/** The options that are numbers and names. */
export interface WorkerSettings {
  readonly taskQueue: string;
  readonly namespace: string;
  readonly identity?: string | undefined;
  readonly maxCachedRuns: number;
  readonly maxConcurrentActivities: number;
  readonly maxConcurrentLocalActivityExecutions: number;
  readonly enableNonLocalActivities: boolean;
  readonly defaultHeartbeatThrottleInterval: number;
  readonly maxHeartbeatThrottleInterval: number;
  readonly leaseMs: number;
  readonly shutdownGraceTime: number;
  readonly shutdownForceTime?: number | undefined;
  readonly maxActivitiesPerSecond?: number | undefined;
  readonly maxTaskQueueActivitiesPerSecond?: number | undefined;
  readonly deadlockTimeoutMs: number;
  readonly showStackTraceSources: boolean;
  readonly maxPayloadBytes: number;
  readonly version?: WorkerVersion | undefined;
  readonly workflowFailureErrorTypes?: FailureErrorTypes | undefined;
}

/** Milliseconds, or a text such as '10s'. */
const duration = z.custom<Duration>().transform((given, context): number => {
  try {
    const ms = durationMs(given);
    if (ms >= 0) return ms;
    context.addIssue(`Invalid duration: ${ms}. Expected 0 or more`);
  } catch (error) {
    context.addIssue((error as Error).message);
  }
  return z.NEVER;
});

/** What is called of a logger. */
const logMethods = ['trace', 'debug', 'info', 'warn', 'error', 'child'] as const;
const loggerWords = `expected a pino logger, or an object with its functions ${logMethods.join(', ')}`;

function isLogger(given: unknown): boolean {
  if (typeof given !== 'object' || given === null) return false;
  return logMethods.every((method) => typeof (given as Record<string, unknown>)[method] === 'function');
}

const checked = z.object({
  taskQueue: z.string().min(1).max(1000),
  namespace: z.string().min(1).max(200).default('default'),
  identity: z.string().optional(),
  maxCachedRuns: z.number().int().min(0).default(1000),
  maxConcurrentActivities: z.number().int().min(1).default(100),
  maxConcurrentLocalActivityExecutions: z.number().int().min(1).default(100),
  enableNonLocalActivities: z.boolean().default(true),
  defaultHeartbeatThrottleInterval: duration.default(30_000),
  maxHeartbeatThrottleInterval: duration.default(60_000),
  leaseMs: z.number().int().min(1000).default(5000),
  shutdownGraceTime: duration.default(0),
  shutdownForceTime: duration.optional(),
  maxActivitiesPerSecond: z.number().positive().optional(),
  maxTaskQueueActivitiesPerSecond: z.number().positive().optional(),
  deadlockTimeoutMs: z.number().int().min(10).default(2000),
  showStackTraceSources: z.boolean().default(false),
  maxPayloadBytes: z.number().int().min(1024).default(defaultMaxPayloadBytes),
  patchActivationCallback: z
    .custom<PatchActivationCallback>((given) => typeof given === 'function', 'expected a function')
    .optional(),
  logger: z.custom<Logger>(isLogger, loggerWords).optional(),
  useVersioning: z
    .custom<boolean>((given) => given !== true, 'expected false, or workerDeploymentOptions in its place')
    .optional(),
  workflowFailureErrorTypes: z.record(z.string(), z.array(z.string().min(1))).optional(),
});
const checkedDeployment = z.discriminatedUnion('useWorkerVersioning', [
  z.strictObject({
    version: z.unknown().optional(),
    useWorkerVersioning: z.literal(true),
    defaultVersioningBehavior: z.enum(['PINNED', 'AUTO_UPGRADE']),
  }),
  z.strictObject({
    version: z.unknown().optional(),
    useWorkerVersioning: z.literal(false),
    defaultVersioningBehavior: z.undefined().optional(),
  }),
]);

function workerVersion(options: WorkerDeploymentOptions | undefined): WorkerVersion | undefined {
  if (options === undefined) return undefined;
  const result = checkedDeployment.safeParse(options);
  if (!result.success) throw invalid(['workerDeploymentOptions'], options, result.error);
  const { version, defaultVersioningBehavior } = result.data;
  return {
    version: checkVersion('workerDeploymentOptions.version', version),
    defaultBehavior: defaultVersioningBehavior,
  };
}

/** `where` the values of `given` stand among the options; `names`: what users called those of two names. */
function invalid(
  where: readonly string[],
  given: object,
  error: z.ZodError,
  names: Readonly<Record<string, string>> = {},
): RuntimeError {
  const issue = error.issues[0]!;
  const path = [...where, ...issue.path].join('.');
  return new RuntimeError('INVALID_INPUT', `Worker option ${names[path] ?? path}${issueText(given, issue)}.`, {
    cause: error,
  });
}

/** Options that have a name of Temporal's too, by ours. */
const theirNames = {
  maxCachedRuns: 'maxCachedWorkflows',
  maxConcurrentActivities: 'maxConcurrentActivityTaskExecutions',
} as const;

/** The name that was used. @throws INVALID_INPUT when both were */
function nameUsed(options: WorkerOptions, own: keyof typeof theirNames): keyof WorkerOptions {
  const theirs = theirNames[own];
  if (options[theirs] === undefined) return own;
  if (options[own] === undefined) return theirs;
  throw new RuntimeError('INVALID_INPUT', `Worker options ${own} and ${theirs} are one option: pass one of them.`);
}

/** With defaults in place. @throws INVALID_INPUT, TypeError for a task queue whose name is reserved */
export function workerSettings(options: WorkerOptions): WorkerSettings {
  refuseUnknown('Worker.create', options, known, unsupported, { meaningless, internal: ['failPoint'] });
  checkConnection('Worker.create', options.connection);
  if (options.bundlerOptions !== undefined) {
    refuseUnknown('bundlerOptions', options.bundlerOptions, ['preloadModules', 'ignoreModules'], ['webpackConfigHook']);
  }
  const used = {
    maxCachedRuns: nameUsed(options, 'maxCachedRuns'),
    maxConcurrentActivities: nameUsed(options, 'maxConcurrentActivities'),
  };
  const given = {
    ...options,
    maxCachedRuns: options[used.maxCachedRuns],
    maxConcurrentActivities: options[used.maxConcurrentActivities],
  };
  const result = checked.safeParse(given);
  if (!result.success) throw invalid([], given, result.error, used);
  checkNamespace(result.data.namespace);
  refuseReservedName('task queue', result.data.taskQueue);
  return { ...result.data, version: workerVersion(options.workerDeploymentOptions) };
}
