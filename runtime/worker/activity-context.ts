// What an activity sees of itself while it runs. Carried by AsyncLocalStorage, so plain functions can be activities.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from 'pino';
import { CancelledFailure } from '../history/failure.ts';

export interface ActivityInfo {
  readonly activityId: string;
  readonly activityType: string;
  /** From 1; counts failed attempts and those that were lost with a worker. */
  readonly attempt: number;
  /** The same for every attempt: hand it to whatever must not happen twice. */
  readonly idempotencyKey: string;
  readonly isLocal: boolean;
  readonly inWorkflow: boolean;
  readonly workflowExecution: { readonly workflowId: string; readonly runId: string };
  readonly workflowType: string;
  readonly workflowNamespace: string;
  readonly activityNamespace: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly scheduledTimestampMs: number;
  readonly currentAttemptScheduledTimestampMs: number;
  readonly startToCloseTimeoutMs: number;
  readonly scheduleToCloseTimeoutMs: number;
  readonly heartbeatTimeoutMs: number | undefined;
  /** What the attempt before reported last. */
  readonly heartbeatDetails: unknown;
  /** Names this attempt to `client.activity.complete` and its like. */
  readonly taskToken: Uint8Array;
  readonly base64TaskToken: string;
}

/** What an activity spent, as `recordUsage` was told; lands in `meta` of its completion. */
export interface Usage {
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly costUsd?: number;
}

/** What most activities never ask for (logger, signal, promise) is made when they do. */
export class ActivityContext {
  readonly info: ActivityInfo;
  readonly #makeLog: () => Logger;
  readonly #onHeartbeat: (details: unknown) => void;
  #log: Logger | undefined;
  #abort: AbortController | undefined;
  #cancelled: PromiseWithResolvers<never> | undefined;
  #failure: CancelledFailure | undefined;
  usage: Usage[] = [];

  constructor(info: ActivityInfo, makeLog: () => Logger, onHeartbeat: (details: unknown) => void) {
    this.info = info;
    this.#makeLog = makeLog;
    this.#onHeartbeat = onHeartbeat;
  }

  get log(): Logger {
    this.#log ??= this.#makeLog();
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
    this.#onHeartbeat(details);
  }

  /** Waits; rejects with CancelledFailure when the attempt is to stop. */
  async sleep(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await Promise.race([
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, ms);
        }),
        this.cancelled,
      ]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why it is to stop; undefined while it is not. */
  get cancelReason(): string | undefined {
    return this.#failure?.message;
  }

  /** Asks the attempt to stop; `reason` becomes the failure's message (CANCELLED, TIMED_OUT, WORKER_SHUTDOWN …). */
  cancel(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new CancelledFailure(reason);
    this.#cancelled?.reject(this.#failure);
    this.#abort?.abort(this.#failure);
  }
}

export const activityStorage: AsyncLocalStorage<ActivityContext> = new AsyncLocalStorage();

/** What `activity({ … }, fn)` declared about an effect. */
export interface ActivityDeclaration {
  readonly effect: 'none' | 'keyed' | 'unsafe';
  readonly skippable: boolean;
}

export const activityDeclaration: unique symbol = Symbol.for('reprise.activity');

export type ActivityFunction = (...args: never[]) => unknown;

export function declarationOf(fn: ActivityFunction): ActivityDeclaration {
  return (
    (fn as { [activityDeclaration]?: ActivityDeclaration })[activityDeclaration] ?? {
      effect: 'keyed',
      skippable: false,
    }
  );
}
