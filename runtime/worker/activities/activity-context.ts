// What an activity sees of its attempt while it runs. AsyncLocalStorage carries it, so plain functions can be activities.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from 'pino';
import { ActivityCancellationDetails, type CancelReason } from '../../core/activity/cancellation-details.ts';
import type { Usage } from '../../core/activity/attempt-meta.ts';
import type { ResolvedRetryPolicy } from '../../core/activity/retry-policy.ts';
import type { Deferred } from '../../core/deferred.ts';
import { type Duration, durationMs, timerMsMax } from '../../core/options/duration.ts';
import { CancelledFailure, isAbortError } from '../../core/failure/failure.ts';

export interface ActivityInfo {
  readonly activityId: string;
  readonly activityType: string;
  /** From 1; counts failed attempts and those that were lost with a worker. */
  readonly attempt: number;
  /** The same for every attempt: hand it to whatever must not happen twice. */
  readonly idempotencyKey: string;
  readonly isLocal: boolean;
  readonly inWorkflow: boolean;
  /** This and the next two are undefined for a standalone activity. */
  readonly workflowExecution?: { readonly workflowId: string; readonly runId: string };
  readonly workflowType?: string;
  readonly workflowNamespace?: string;
  /** Only of a standalone activity. */
  readonly activityRunId?: string;
  readonly activityNamespace: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly scheduledTimestampMs: number;
  readonly currentAttemptScheduledTimestampMs: number;
  readonly startToCloseTimeoutMs: number;
  readonly scheduleToCloseTimeoutMs: number;
  readonly heartbeatTimeoutMs: number | undefined;
  /**
   * What the attempt before reported last. It has Temporal's type: activities written for Temporal compute with it as it is
   * (`info.heartbeatDetails ?? 1`), and would not compile after a change of imports if they had to check it.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- the type that Temporal's activities are written for
  readonly heartbeatDetails: any;
  /** Names this attempt to `client.activity.complete` and its like. */
  readonly taskToken: Uint8Array;
  readonly base64TaskToken: string;
  /** With all defaults; intervals in ms. `maximumAttempts` is absent if there is no limit. */
  readonly retryPolicy: ResolvedRetryPolicy;
}

/** The attempt that a context belongs to. */
export interface ContextOwner {
  makeInfo(): ActivityInfo;
  makeLog(): Logger;
  makeClient(): unknown;
  heartbeat(details: unknown): void;
}

/** Info, logger, signal and promise are made when asked for: most activities never do. */
export class ActivityContext {
  readonly #owner: ContextOwner;
  #info: ActivityInfo | undefined;
  #log: Logger | undefined;
  #abort: AbortController | undefined;
  #cancelled: Deferred<never> | undefined;
  #failure: CancelledFailure | undefined;
  #details: ActivityCancellationDetails | undefined;
  usage: Usage[] = [];

  constructor(owner: ContextOwner) {
    this.#owner = owner;
  }

  /** A client on the worker's connection and namespace. */
  get client(): unknown {
    return this.#owner.makeClient();
  }

  get info(): ActivityInfo {
    this.#info ??= this.#owner.makeInfo();
    return this.#info;
  }

  get log(): Logger {
    this.#log ??= this.#owner.makeLog();
    return this.#log;
  }

  /** Rejects with CancelledFailure when the attempt is to stop; never resolves. */
  get cancelled(): Promise<never> {
    if (this.#cancelled === undefined) {
      this.#cancelled = Promise.withResolvers<never>();
      this.#cancelled.promise.catch(() => undefined); // nobody has to wait for it
      if (this.#failure !== undefined) this.#cancelled.reject(this.#failure);
    }
    return this.#cancelled.promise;
  }

  get cancellationSignal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    }
    return this.#abort.signal;
  }

  /** Reports progress; stored at most once in 80 % of the heartbeat timeout (30 s without one). */
  heartbeat(details?: unknown): void {
    this.#owner.heartbeat(details);
  }

  /** Waits (ms, or a text such as '5s'); rejects with CancelledFailure when the attempt is to stop. */
  async sleep(duration: Duration): Promise<void> {
    const end = performance.now() + durationMs(duration);
    let timer: NodeJS.Timeout | undefined;
    try {
      do {
        await Promise.race([
          new Promise<void>((resolve) => {
            timer = setTimeout(resolve, Math.min(Math.max(0, end - performance.now()), timerMsMax));
          }),
          this.cancelled,
        ]);
      } while (end - performance.now() > 1);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why the attempt is to stop; undefined while it is not. */
  get cancellationDetails(): ActivityCancellationDetails | undefined {
    return this.#details;
  }

  /** Asks the attempt to stop; `reason` becomes the failure's message. Only the first call counts. */
  cancel(reason: CancelReason): void {
    if (this.#failure !== undefined) return;
    this.#failure = new CancelledFailure(reason);
    this.#details = ActivityCancellationDetails.of(reason);
    this.#cancelled?.reject(this.#failure);
    this.#abort?.abort(this.#failure);
  }

  /** The cancellation that caused an error of the attempt; undefined if none did. */
  cancellationOf(error: unknown): CancelledFailure | undefined {
    if (this.#failure === undefined) return undefined;
    if (error instanceof CancelledFailure) return error;
    return isAbortError(error) ? this.#failure : undefined;
  }
}

/** All copies of this package in the process share it: an activity may import another copy than its worker. */
const storageKey = Symbol.for('reprise.activityStorage');
const shared = globalThis as { [storageKey]?: AsyncLocalStorage<ActivityContext> };
shared[storageKey] ??= new AsyncLocalStorage();

export const activityStorage: AsyncLocalStorage<ActivityContext> = shared[storageKey];

/** What `activity({ … }, fn)` declared about an effect. */
export interface ActivityDeclaration {
  readonly effect: 'none' | 'keyed' | 'unsafe';
  readonly skippable: boolean;
}

export const activityDeclaration: unique symbol = Symbol.for('reprise.activity');

export type RegisteredActivity = (...args: never[]) => unknown;

export type Activities = Readonly<Record<string, RegisteredActivity>>;

/** The function of that name, else the one called `default`. */
export function activityOf(activities: Activities, type: string): RegisteredActivity | undefined {
  return Object.hasOwn(activities, type) ? activities[type] : activities['default'];
}

export function declarationOf(fn: RegisteredActivity): ActivityDeclaration {
  return (
    (fn as { [activityDeclaration]?: ActivityDeclaration })[activityDeclaration] ?? {
      effect: 'keyed',
      skippable: false,
    }
  );
}
