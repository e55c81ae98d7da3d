// The options of Worker.create, their checks, and the settings that result.
import { type Duration, durationMs } from '../../runtime/core/options/duration.ts';
import { refuseReservedName } from '../../runtime/core/options/reserved-name.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { WorkflowInfo } from '../../runtime/activator/info/workflow-info.ts';
import type { WorkflowBundleOption } from '../../runtime/sandbox/bundle/bundle.ts';
import type { Logger } from 'pino';
import type { FailPointListener } from '../../runtime/worker/life/fail-point.ts';
import { VersioningBehavior, type WorkerDeploymentVersion } from '../../runtime/core/run/deployment.ts';
import type { FailureErrorTypes } from '../../runtime/core/failure/failure-types.ts';
import type { WorkerVersion } from '../../runtime/worker/versions/worker-versions.ts';
import { checkConnection, type Connection } from '../common/connection.ts';
import { checkNamespace, checkVersion } from './deployment-version.ts';
import { defaultMaxPayloadBytes } from '../client/encode-arguments.ts';
import {
  aFunction,
  anyText,
  checkOption,
  checkOptions,
  duration,
  hidden,
  listOf,
  meaningless,
  nested,
  notYet,
  oneOf,
  optionTable,
  positiveNumber,
  recordOf,
  required,
  ruleOf,
  textOf,
  trueOrFalse,
  wholeNumber,
  unchecked,
} from '../../runtime/core/options/option-table.ts';

/** The build of a worker, and whether the worker takes runs by version. */
export type WorkerDeploymentOptions = {
  version: WorkerDeploymentVersion;
} & (
  | {
      useWorkerVersioning: true;
      /** For workflows that set no behavior themselves (`setWorkflowOptions`). */
      defaultVersioningBehavior: VersioningBehavior;
    }
  | { useWorkerVersioning: false; defaultVersioningBehavior?: never }
);

export interface PatchActivationInput {
  readonly workflowInfo: WorkflowInfo;
  /** The id passed to `patched`. */
  readonly patchId: string;
}
export type PatchActivationCallback = (input: PatchActivationInput) => boolean;

export interface WorkerOptions {
  connection: Connection;
  taskQueue: string;
  namespace?: string;
  /** The file that exports workflow functions: a path, or `new URL('./workflows.ts', import.meta.url)`. */
  workflowsPath?: string | URL;
  /** Result of `bundleWorkflowCode`, in place of workflowsPath. */
  workflowBundle?: WorkflowBundleOption;
  activities?: object;
  identity?: string;
  /** `preloadModules`: packages that are evaluated once for all runs and then frozen. */
  bundlerOptions?: { preloadModules?: string[]; ignoreModules?: string[] };
  /**
   * Number of runs kept in memory, not counting runs with running activities; default 1000. With 0, each turn rebuilds the run
   * from the log.
   */
  maxCachedRuns?: number;
  /** Temporal's name for maxCachedRuns. */
  maxCachedWorkflows?: number;
  maxConcurrentActivities?: number;
  /** Temporal's name for maxConcurrentActivities; default 100. */
  maxConcurrentActivityTaskExecutions?: number;
  /** Limit of concurrent local activities, which do not count against the limit above; default 100. */
  maxConcurrentLocalActivityExecutions?: number;
  /**
   * False: this worker executes only local activities and leaves other activities to other workers of the queue.
   * Default true.
   */
  enableNonLocalActivities?: boolean;
  /** Progress of an activity without a heartbeat timeout is stored at most once per this interval; default 30 s. */
  defaultHeartbeatThrottleInterval?: Duration;
  /**
   * Progress is stored at most once per 80 % of the heartbeat timeout, or per this interval if that is shorter; default
   * 60 s.
   */
  maxHeartbeatThrottleInterval?: Duration;
  /** How long a silent worker counts as alive, ms; default 5000. */
  leaseMs?: number;
  /** How long running activities may continue after shutdown() before they are cancelled, ms or '10s'; default 0. */
  shutdownGraceTime?: Duration;
  /** How long after shutdown() `run()` stops waiting and throws, ms or '10s'; default never. */
  shutdownForceTime?: Duration;
  /** Limit of activities that this worker starts per second; default no limit. */
  maxActivitiesPerSecond?: number;
  /**
   * Limit of activities that all workers of the task queue together start per second. Only workers that set the limit
   * obey it.
   */
  maxTaskQueueActivitiesPerSecond?: number;
  /** Time limit of one activation, in ms, after which it is interrupted; default 2000. */
  deadlockTimeoutMs?: number;
  /**
   * Stores the workflow bundle in the database, once for each version of the code, so that `replay` can use the code that
   * recorded a run. Default true.
   */
  storeWorkflowBundle?: boolean;
  /** Whether `enhancedStackTraceQuery` may include the source text of workflow code; default false. */
  showStackTraceSources?: boolean;
  maxPayloadBytes?: number;
  workerDeploymentOptions?: WorkerDeploymentOptions;
  /**
   * Names of error classes that fail a run instead of its task, by workflow type or `*`. Subclasses are included.
   * `Error` means all errors. `NondeterminismError` means a history that the code cannot follow.
   */
  workflowFailureErrorTypes?: Record<string, string[]>;
  /**
   * Called when a run reaches a `patched` for the first time. If it returns false, the run takes the old code and no
   * marker is written, so code can be rolled out everywhere before any run takes it. Must be fast and synchronous.
   */
  patchActivationCallback?: PatchActivationCallback;
  /** Temporal's older options. They have no effect; `useVersioning: true` is refused in favour of `workerDeploymentOptions`. */
  buildId?: string;
  useVersioning?: boolean;
  logger?: Logger;
  /** @internal */
  failPoint?: FailPointListener;
}

/** The methods of a logger that workers call. */
const logMethods = ['trace', 'debug', 'info', 'warn', 'error', 'child'] as const;
function isLogger(given: unknown): boolean {
  if (typeof given !== 'object' || given === null) return false;
  return logMethods.every((method) => typeof (given as Record<string, unknown>)[method] === 'function');
}

const deployment = {
  ...unchecked('version'),
  useWorkerVersioning: required(trueOrFalse),
  defaultVersioningBehavior: oneOf(VersioningBehavior),
};
const deploymentOptions = nested(optionTable<WorkerDeploymentOptions>(deployment));
/** For a worker that takes runs by version. */
const versioningOptions = nested(
  optionTable<WorkerDeploymentOptions>({
    ...deployment,
    defaultVersioningBehavior: required(deployment.defaultVersioningBehavior),
  }),
);

const workerOptions = optionTable<WorkerOptions>(
  {
    ...unchecked('connection', 'workflowsPath', 'workflowBundle', 'activities'),
    taskQueue: required(textOf(1, 1000)),
    namespace: textOf(1, 200),
    identity: anyText,
    bundlerOptions: nested(
      optionTable<NonNullable<WorkerOptions['bundlerOptions']>>(unchecked('preloadModules', 'ignoreModules'), {
        [notYet]: ['webpackConfigHook'],
      }),
    ),
    maxCachedRuns: wholeNumber(0),
    maxCachedWorkflows: wholeNumber(0),
    maxConcurrentActivities: wholeNumber(1),
    maxConcurrentActivityTaskExecutions: wholeNumber(1),
    maxConcurrentLocalActivityExecutions: wholeNumber(1),
    enableNonLocalActivities: trueOrFalse,
    defaultHeartbeatThrottleInterval: duration,
    maxHeartbeatThrottleInterval: duration,
    leaseMs: wholeNumber(1000),
    shutdownGraceTime: duration,
    shutdownForceTime: duration,
    maxActivitiesPerSecond: positiveNumber,
    maxTaskQueueActivitiesPerSecond: positiveNumber,
    deadlockTimeoutMs: wholeNumber(10),
    showStackTraceSources: trueOrFalse,
    storeWorkflowBundle: trueOrFalse,
    maxPayloadBytes: wholeNumber(1024),
    workerDeploymentOptions: deploymentOptions,
    workflowFailureErrorTypes: recordOf(listOf(textOf(1, 1000))),
    patchActivationCallback: aFunction,
    ...unchecked('buildId'),
    useVersioning: ruleOf('false, or workerDeploymentOptions in its place', (given) => given !== true),
    logger: ruleOf(`a pino logger, or an object with its functions ${logMethods.join(', ')}`, isLogger),
    failPoint: hidden,
  },
  {
    [notYet]: [
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
    ],
    // These options concern Temporal's server and its Rust core: polls, sticky queues, threads.
    [meaningless]: [
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
    ],
  },
  'Worker option ',
);

/** The options that are numbers or names, with defaults applied. */
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
  readonly storeWorkflowBundle: boolean;
  readonly maxPayloadBytes: number;
  readonly version?: WorkerVersion | undefined;
  readonly workflowFailureErrorTypes?: FailureErrorTypes | undefined;
}

function workerVersion(options: WorkerDeploymentOptions | undefined): WorkerVersion | undefined {
  if (options === undefined) return undefined;
  const { version, useWorkerVersioning, defaultVersioningBehavior } = options;
  if (useWorkerVersioning) checkOption('Worker option workerDeploymentOptions', options, versioningOptions);
  else if (defaultVersioningBehavior !== undefined) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'Worker option workerDeploymentOptions.defaultVersioningBehavior is for workers with useWorkerVersioning: true. Leave it out.',
    );
  }
  return {
    version: checkVersion('workerDeploymentOptions.version', version),
    defaultBehavior: defaultVersioningBehavior,
  };
}

/** The value of an option that has our name and Temporal's name. @throws INVALID_INPUT when both were given */
function eitherOf<T>(options: Readonly<Record<string, T | undefined>>): T | undefined {
  const given = Object.keys(options).filter((name) => options[name] !== undefined);
  if (given.length < 2) return options[given[0] ?? ''];
  throw new RuntimeError('INVALID_INPUT', `Worker options ${given.join(' and ')} are one option: pass one of them.`);
}

/** Checks the options and applies defaults. @throws INVALID_INPUT; TypeError for a reserved task queue name */
export function workerSettings(options: WorkerOptions): WorkerSettings {
  checkOptions('Worker.create', options, workerOptions);
  const { connection, taskQueue, namespace = 'default', maxCachedRuns, maxCachedWorkflows } = options;
  const { maxConcurrentActivities, maxConcurrentActivityTaskExecutions, shutdownForceTime } = options;
  checkConnection('Worker.create', connection);
  checkNamespace(namespace);
  refuseReservedName('task queue', taskQueue);
  return {
    taskQueue,
    namespace,
    identity: options.identity,
    maxCachedRuns: eitherOf({ maxCachedRuns, maxCachedWorkflows }) ?? 1000,
    maxConcurrentActivities: eitherOf({ maxConcurrentActivities, maxConcurrentActivityTaskExecutions }) ?? 100,
    maxConcurrentLocalActivityExecutions: options.maxConcurrentLocalActivityExecutions ?? 100,
    enableNonLocalActivities: options.enableNonLocalActivities ?? true,
    defaultHeartbeatThrottleInterval: durationMs(options.defaultHeartbeatThrottleInterval ?? 30_000),
    maxHeartbeatThrottleInterval: durationMs(options.maxHeartbeatThrottleInterval ?? 60_000),
    leaseMs: options.leaseMs ?? 5000,
    shutdownGraceTime: durationMs(options.shutdownGraceTime ?? 0),
    shutdownForceTime: shutdownForceTime === undefined ? undefined : durationMs(shutdownForceTime),
    maxActivitiesPerSecond: options.maxActivitiesPerSecond,
    maxTaskQueueActivitiesPerSecond: options.maxTaskQueueActivitiesPerSecond,
    deadlockTimeoutMs: options.deadlockTimeoutMs ?? 2000,
    showStackTraceSources: options.showStackTraceSources ?? false,
    storeWorkflowBundle: options.storeWorkflowBundle ?? true,
    maxPayloadBytes: options.maxPayloadBytes ?? defaultMaxPayloadBytes,
    version: workerVersion(options.workerDeploymentOptions),
    workflowFailureErrorTypes: options.workflowFailureErrorTypes,
  };
}
