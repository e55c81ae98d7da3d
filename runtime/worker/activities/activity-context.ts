// What a running activity can see of its attempt. AsyncLocalStorage carries the context, so activities are plain functions.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from 'pino';
import { ActivityCancellationDetails, type CancelReason } from '../../core/activity/cancellation-details.ts';
import type { ActivityEffect } from '../../core/activity/activity-effect.ts';
import type { Usage } from '../../core/activity/attempt-meta.ts';
import type { DeclaredMeta } from '../../core/activity/pending-activity.ts';
import type { ResolvedRetryPolicy } from '../../core/activity/retry-policy.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import type { AskedPatch } from '../../core/context/patch-trial.ts';
import type { Provenance } from '../../core/context/provenance.ts';
import { StagedPatches } from './staged-patches.ts';
import type { Deferred } from '../../core/deferred.ts';
import { type Duration, durationMs, timerMsMax } from '../../core/options/duration.ts';
import { CancelledFailure, isAbortError } from '../../core/failure/failure.ts';

export interface ActivityInfo {
  readonly activityId: string;
  readonly activityType: string;
  /** Counts from 1. Includes failed attempts and attempts that were lost with a worker. */
  readonly attempt: number;
  /** The same for every attempt. Pass it to any system that must not execute the effect twice. */
  readonly idempotencyKey: string;
  readonly isLocal: boolean;
  readonly inWorkflow: boolean;
  /** `workflowExecution`, `workflowType` and `workflowNamespace` are undefined for a standalone activity. */
  readonly workflowExecution?: { readonly workflowId: string; readonly runId: string };
  readonly workflowType?: string;
  readonly workflowNamespace?: string;
  /** Set only for a standalone activity. */
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
   * The last progress that the previous attempt reported. It has the type that Temporal gives it, because activities
   * written for Temporal use the value unchecked (`info.heartbeatDetails ?? 1`) and would not compile with a stricter
   * type.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- the type that Temporal's activities are written for
  readonly heartbeatDetails: any;
  /** Identifies this attempt in `client.activity.complete` and similar calls. */
  readonly taskToken: Uint8Array;
  readonly base64TaskToken: string;
  /** Includes all defaults. Intervals are in ms. `maximumAttempts` is absent if there is no limit. */
  readonly retryPolicy: ResolvedRetryPolicy;
}

/** The attempt that a context belongs to. */
export interface ContextOwner {
  makeInfo(): ActivityInfo;
  makeLog(): Logger;
  makeClient(): unknown;
  heartbeat(details: unknown): void;
  readonly maxPayloadBytes: number;
}

/** Creates info, logger, signal and promise on first use, because most activities use none of them. */
export class ActivityContext {
  readonly #owner: ContextOwner;
  #info: ActivityInfo | undefined;
  #log: Logger | undefined;
  #abort: AbortController | undefined;
  #cancelled: Deferred<never> | undefined;
  #failure: CancelledFailure | undefined;
  #details: ActivityCancellationDetails | undefined;
  usage: Usage[] = [];
  #staged: StagedPatches | undefined;

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

  /** Rejects with CancelledFailure when the attempt must stop. Never resolves. */
  get cancelled(): Promise<never> {
    if (this.#cancelled === undefined) {
      this.#cancelled = Promise.withResolvers<never>();
      this.#cancelled.promise.catch(() => undefined); // no unhandled rejection when nobody awaits it
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

  /** The patches that the attempt staged; undefined without any. */
  get staged(): readonly AskedPatch[] | undefined {
    return this.#staged?.patches;
  }

  /**
   * Stages a patch of the workflow's context. It commits together with the attempt's result.
   * @throws CONTEXT_PATCH_INVALID, INVALID_INPUT, PAYLOAD_TOO_LARGE; ILLEGAL_STATE in a standalone activity
   */
  patchContext(ops: InputOp | readonly InputOp[], provenance?: Provenance): void {
    this.#staged ??= new StagedPatches(this.info, this.#owner.maxPayloadBytes);
    this.#staged.add(ops, provenance);
  }

  /**
   * Reports progress. It is stored at most once per 80 % of the heartbeat timeout, or per 30 s without such a timeout.
   */
  heartbeat(details?: unknown): void {
    this.#owner.heartbeat(details);
  }

  /** Waits (ms, or text such as '5s'). Rejects with CancelledFailure when the attempt must stop. */
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

  /** Why the attempt must stop; undefined while it may continue. */
  get cancellationDetails(): ActivityCancellationDetails | undefined {
    return this.#details;
  }

  /** Asks the attempt to stop. `reason` becomes the failure's message. Only the first call has an effect. */
  cancel(reason: CancelReason): void {
    if (this.#failure !== undefined) return;
    this.#failure = new CancelledFailure(reason);
    this.#details = ActivityCancellationDetails.of(reason);
    this.#cancelled?.reject(this.#failure);
    this.#abort?.abort(this.#failure);
  }

  /** The cancellation that caused an error of the attempt; undefined if the error has another cause. */
  cancellationOf(error: unknown): CancelledFailure | undefined {
    if (this.#failure === undefined) return undefined;
    if (error instanceof CancelledFailure) return error;
    return isAbortError(error) ? this.#failure : undefined;
  }
}

/**
 * Shared by all copies of this package in the process, because an activity may import a different copy than its worker.
 */
const storageKey = Symbol.for('reprise.activityStorage');
const shared = globalThis as { [storageKey]?: AsyncLocalStorage<ActivityContext> };
shared[storageKey] ??= new AsyncLocalStorage();

export const activityStorage: AsyncLocalStorage<ActivityContext> = shared[storageKey];

/** What `activity({ … }, fn)` declared about the activity's effect. */
export interface ActivityDeclaration {
  readonly effect: ActivityEffect;
  readonly skippable: boolean;
}

export const activityDeclaration: unique symbol = Symbol.for('reprise.activity');

export type RegisteredActivity = (...args: never[]) => unknown;

export type Activities = Readonly<Record<string, RegisteredActivity>>;

/** The function with that name; otherwise the function called `default`. */
export function activityOf(activities: Activities, type: string): RegisteredActivity | undefined {
  return Object.hasOwn(activities, type) ? activities[type] : activities['default'];
}

/** The declaration as the log holds it; undefined for an activity that declares nothing but the defaults. */
export function declaredMeta({ effect, skippable }: ActivityDeclaration): DeclaredMeta | undefined {
  if (effect === 'keyed' && !skippable) return undefined;
  return { ...(effect === 'keyed' ? {} : { effect }), ...(skippable ? { skippable } : {}) };
}

export function declarationOf(fn: RegisteredActivity): ActivityDeclaration {
  return (
    (fn as { [activityDeclaration]?: ActivityDeclaration })[activityDeclaration] ?? {
      effect: 'keyed',
      skippable: false,
    }
  );
}
