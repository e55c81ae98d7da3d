// reprise/worker: runs the workflow code and activities of one task queue.
import { hostname } from 'node:os';
import { pino } from 'pino';
import { refuseReservedName } from '../runtime/core/options/reserved-name.ts';
import type { ActivatesChange } from '../runtime/activator/determinism/versions.ts';
import { RuntimeError } from '../runtime/core/failure/runtime-error.ts';
import { bundleWorkflowCode, loadBundle, type WorkflowBundle } from '../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../runtime/sandbox/realm/sandbox.ts';
import type { RegisteredActivity } from '../runtime/worker/activities/activity-context.ts';
import { WorkerProcess, type WorkerState } from '../runtime/worker/life/worker-process.ts';
import { Client } from './client.ts';
import { Connection } from './common/connection.ts';
import {
  type HistoryToReplay,
  replayHistories,
  replayHistory,
  type ReplayableHistory,
  type ReplayResult,
  type ReplayWorkerOptions,
} from './worker/replay-histories.ts';
import {
  type PatchActivationCallback,
  type WorkerDeploymentOptions,
  type WorkerOptions,
  workerSettings,
} from './worker/worker-settings.ts';

export class Worker {
  readonly #process: WorkerProcess;
  readonly #sandbox: Sandbox;

  private constructor(process: WorkerProcess, sandbox: Sandbox) {
    this.#process = process;
    this.#sandbox = sandbox;
  }

  /** Bundles the workflow code and prepares a worker. @throws RuntimeError BUNDLE_FAILED, INVALID_INPUT */
  static async create(options: WorkerOptions): Promise<Worker> {
    const settings = workerSettings(options);
    const activities = activityMap(options.activities ?? {});
    const bundle = await bundleOf(options);
    // Workers use a pool of their own, so that clients on the same connection cannot exhaust it.
    const database = options.connection.database.forWorkers;
    const { deadlockTimeoutMs, showStackTraceSources } = settings;
    const sandboxOptions = {
      deadlockTimeoutMs,
      showStackTraceSources,
      // An activity called `default` handles every type.
      activityTypes: Object.hasOwn(activities, 'default') ? undefined : Object.keys(activities),
      failureErrorTypes: settings.workflowFailureErrorTypes,
      activatesChange: activationOf(options.patchActivationCallback),
    };
    const sandbox = bundle === undefined ? Sandbox.empty() : Sandbox.create(bundle, sandboxOptions);
    let client: Client | undefined;
    const worker = new WorkerProcess({
      database,
      sandbox,
      bundleHash: bundle?.hash ?? null,
      identity: settings.identity ?? `${process.pid}@${hostname()}`,
      namespace: settings.namespace,
      taskQueue: settings.taskQueue,
      activities,
      client: () => {
        client ??= new Client({ connection: options.connection, namespace: settings.namespace });
        return client;
      },
      maxCachedRuns: settings.maxCachedRuns,
      maxConcurrent: settings.maxConcurrentActivities,
      maxConcurrentLocal: settings.maxConcurrentLocalActivityExecutions,
      takesNonLocal: settings.enableNonLocalActivities,
      heartbeatThrottle: {
        defaultMs: settings.defaultHeartbeatThrottleInterval,
        maxMs: settings.maxHeartbeatThrottleInterval,
      },
      maxPayloadBytes: settings.maxPayloadBytes,
      leaseMs: settings.leaseMs,
      version: settings.version,
      shutdownGraceMs: settings.shutdownGraceTime,
      shutdownForceMs: settings.shutdownForceTime,
      storesBundle: settings.storeWorkflowBundle,
      maxActivitiesPerSecond: settings.maxActivitiesPerSecond,
      maxTaskQueueActivitiesPerSecond: settings.maxTaskQueueActivitiesPerSecond,
      failPoint: options.failPoint,
      logger: options.logger ?? pino({ name: 'reprise', level: process.env['REPRISE_LOG_LEVEL'] ?? 'info' }),
    });
    return new Worker(worker, sandbox);
  }

  /**
   * Replays a history with the code. Enters no activity, and needs no worker. `workflowId` is for messages.
   * @throws DeterminismViolationError when the code does not follow the history; ReplayError; RuntimeError INVALID_INPUT,
   * BUNDLE_FAILED
   */
  static async runReplayHistory(
    options: ReplayWorkerOptions,
    history: ReplayableHistory,
    workflowId = 'fake',
  ): Promise<void> {
    await replayHistory(options, { workflowId, history });
  }

  /** Replays histories, such as those of `client.workflow.list().intoHistories()`. @throws RuntimeError INVALID_INPUT, BUNDLE_FAILED */
  static runReplayHistories(
    options: ReplayWorkerOptions,
    histories: AsyncIterable<HistoryToReplay> | Iterable<HistoryToReplay>,
  ): AsyncIterableIterator<ReplayResult> {
    return replayHistories(options, histories);
  }

  /** Works until shutdown(). @throws GracefulShutdownPeriodExpiredError when stopping takes longer than shutdownForceTime */
  async run(): Promise<void> {
    await this.#run();
  }

  /** @throws IllegalStateError at once if the worker already runs; the worker continues */
  #run(): Promise<void> {
    return this.#process.run().finally(() => this.#sandbox.dispose());
  }

  /** Works until the promise (or the function's promise) settles, then shuts down. Returns the promise's result. */
  async runUntil<T>(work: Promise<T> | (() => Promise<T>)): Promise<T> {
    const running = this.#run();
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

  /** The worker's state, the epoch of its present incarnation, and the number of runs in memory. */
  getStatus(): { runState: WorkerState; epoch: number | undefined; cachedRuns: number } {
    return { runState: this.#process.state, epoch: this.#process.epoch, cachedRuns: this.#process.runCount };
  }
}

/** @throws TypeError, in workflow code, when the callback does not return a boolean */
function activationOf(callback: PatchActivationCallback | undefined): ActivatesChange | undefined {
  if (callback === undefined) return undefined;
  return (workflowInfo, patchId) => {
    const answer: unknown = callback({ workflowInfo, patchId });
    if (typeof answer === 'boolean') return answer;
    throw new TypeError(`patchActivationCallback must return true or false, got ${typeof answer} for '${patchId}'`);
  };
}

/** Undefined for a worker that only executes activities. */
async function bundleOf(options: WorkerOptions): Promise<WorkflowBundle | undefined> {
  if (options.workflowBundle !== undefined) return loadBundle(options.workflowBundle);
  if (options.workflowsPath === undefined) {
    if (Object.keys(options.activities ?? {}).length > 0) return undefined;
    throw new RuntimeError(
      'INVALID_INPUT',
      'Worker.create needs workflow code or activities: pass workflowsPath or workflowBundle, or activities, or both.',
    );
  }
  return bundleWorkflowCode({ workflowsPath: options.workflowsPath, ...options.bundlerOptions });
}

function activityMap(activities: object): Record<string, RegisteredActivity> {
  const map: Record<string, RegisteredActivity> = {};
  const entries = Object.entries(activities);
  for (const [name, fn] of entries) {
    if (typeof fn !== 'function') continue;
    refuseReservedName('activity', name);
    map[name] = fn as RegisteredActivity;
  }
  // A module of activities may also export constants. A class instance is refused, because its methods are not own
  // properties.
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

export { Connection as NativeConnection } from './common/connection.ts';
export { GracefulShutdownPeriodExpiredError } from '../runtime/worker/life/worker-process.ts';
export { ReplayError } from './worker/replay-histories.ts';
export { Connection };
export { IllegalStateError } from '../runtime/core/failure/runtime-error.ts';
export { bundleWorkflowCode, type WorkflowBundle };
export type { PatchActivationCallback, PatchActivationInput } from './worker/worker-settings.ts';
export type { HistoryToReplay, ReplayableHistory, ReplayResult, ReplayWorkerOptions };
export type { WorkerDeploymentOptions, WorkerOptions, WorkerState };
