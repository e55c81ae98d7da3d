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
}

/** What an activity spent, as `recordUsage` was told; lands in `meta` of its completion. */
export interface Usage {
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly costUsd?: number;
}

export class ActivityContext {
  readonly info: ActivityInfo;
  readonly log: Logger;
  /** Rejects with CancelledFailure when the attempt is to stop; never resolves. */
  readonly cancelled: Promise<never>;
  readonly #abort = new AbortController();
  readonly #onHeartbeat: (details: unknown) => void;
  #reject!: (reason: CancelledFailure) => void;
  usage: Usage[] = [];

  constructor(info: ActivityInfo, log: Logger, onHeartbeat: (details: unknown) => void) {
    this.info = info;
    this.log = log;
    this.#onHeartbeat = onHeartbeat;
    this.cancelled = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.cancelled.catch(() => undefined); // nobody has to wait for it
  }

  get cancellationSignal(): AbortSignal {
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

  /** Asks the attempt to stop; `reason` becomes the failure's message (CANCELLED, TIMED_OUT, WORKER_SHUTDOWN …). */
  cancel(reason: string): void {
    if (this.#abort.signal.aborted) return;
    const failure = new CancelledFailure(reason);
    this.#reject(failure);
    this.#abort.abort(failure);
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
