// One attempt at an activity, for a run of this worker or of another worker: calls the function, watches the timeouts
// and passes on progress. Once the attempt is over, its outcome no longer counts. Its AttemptOwner decides what
// follows.
import type { Logger } from 'pino';
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import { pausedType } from '../../core/activity/attempt-outcome.ts';
import type { ActivityEffect } from '../../core/activity/activity-effect.ts';
import type { DeclaredMeta, PendingActivity } from '../../core/activity/pending-activity.ts';
import { resolvedPolicy } from '../../core/activity/retry-policy.ts';
import { encodeTaskToken } from '../../core/activity/task-token.ts';
import {
  ApplicationFailure,
  CompleteAsyncError,
  ensureApplicationFailure,
  TimeoutType,
} from '../../core/failure/failure.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { mayEnter, notLiveType } from '../../core/live-replay/replay-policy.ts';
import type { ScheduledMeta } from '../../core/log/activation.ts';
import type { Micros } from '../../core/log/event.ts';
import { timerMsMax } from '../../core/options/duration.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import type { RunState } from '../../core/run/run-state.ts';
import { logUnstoredHeartbeat } from './log-attempt.ts';
import {
  type Activities,
  ActivityContext,
  type RegisteredActivity,
  type ActivityInfo,
  activityOf,
  activityStorage,
  type ContextOwner,
  declarationOf,
  declaredMeta,
} from './activity-context.ts';
import type { ActivityWorker } from './activity-worker.ts';
import { AttemptProgress, type ProgressOwner } from './attempt-progress.ts';

/** Decides what follows from its attempts. Called only while the attempt is not over. */
export interface AttemptOwner {
  readonly run: Pick<RunState, 'runId' | 'workflowId' | 'workflowType'>;
  readonly activity: Pick<PendingActivity, 'seq' | 'type' | 'options' | 'scheduledAt' | 'args'>;
  /** The run whose row holds the schedule: the run itself, or an ancestor of a fork. */
  readonly scheduledIn: string;
  readonly isStandalone: boolean;
  /** The run has requested the activity's cancellation. */
  readonly isCancelRequested: boolean;
  /** Records durably that an `unsafe` attempt begins. Returns false if the attempt must not begin. */
  beginUnsafe(attempt: Attempt): Promise<boolean>;
  completed(attempt: Attempt, payload: Uint8Array): Promise<void> | void;
  failed(attempt: Attempt, error: unknown): Promise<void> | void;
  timedOut(attempt: Attempt, type: TimeoutType): void;
  /** A client will complete the activity. */
  leftToClient(attempt: Attempt): Promise<void> | void;
  /** Stores progress for the next attempt. */
  store(details: Uint8Array): Promise<void> | void;
}

export interface AttemptFacts {
  /** Counts from 1; includes failed and lost attempts. */
  readonly number: number;
  readonly dueAt: Micros;
  /** The last progress that the previous attempt reported. */
  readonly details: unknown;
  /** Deadline of all attempts together. Undefined: the AttemptOwner watches the deadline. */
  readonly closeBy?: Micros | null;
  /** The attempt must not be repeated, whatever its function declares. */
  readonly isUnsafe?: boolean;
}

export class Attempt implements ContextOwner, ProgressOwner {
  readonly number: number;
  readonly dueAt: Micros;
  readonly context: ActivityContext = new ActivityContext(this);
  /** The last reported progress. */
  details: unknown;
  isUnsafe: boolean;
  /** What the function declares; undefined for the defaults, and before it was looked up. */
  declared: DeclaredMeta | undefined;
  readonly #owner: AttemptOwner;
  readonly #worker: ActivityWorker;
  readonly #detailsBefore: unknown;
  #options: ScheduledMeta;
  #closeBy: Micros | null;
  #startedAt = performance.now();
  #progress: AttemptProgress | undefined;
  /** The last write of progress that has not finished. */
  #storing: Promise<void> | void = undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(owner: AttemptOwner, worker: ActivityWorker, facts: AttemptFacts) {
    this.#owner = owner;
    this.#worker = worker;
    this.number = facts.number;
    this.dueAt = facts.dueAt;
    this.details = facts.details;
    this.#detailsBefore = facts.details;
    this.isUnsafe = facts.isUnsafe ?? false;
    this.#closeBy = facts.closeBy ?? null;
    this.#options = owner.activity.options;
  }

  /** True once the attempt's outcome and progress no longer count. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** How long the function has run, in ms. */
  get ms(): number {
    return Math.round((performance.now() - this.#startedAt) * 1000) / 1000;
  }

  /** Resolves when the function has ended and the AttemptOwner has received the outcome. */
  async execute(): Promise<void> {
    const { activities } = this.#worker;
    const { type } = this.#owner.activity;
    const fn = activityOf(activities, type);
    if (fn === undefined) return this.#owner.failed(this, notRegistered(activities, type));
    const declaration = declarationOf(fn);
    const { replay } = this.#options;
    if (replay !== undefined && !mayEnter(declaration.effect, replay)) {
      return this.#owner.failed(this, notLive(type, declaration.effect));
    }
    this.declared = declaredMeta(declaration);
    if (declaration.effect === 'unsafe') {
      this.isUnsafe = true;
      if (!(await this.#owner.beginUnsafe(this)) || this.#isOver) return;
    }
    this.#startedAt = performance.now();
    this.#progress = new AttemptProgress(this, this.#worker.heartbeatThrottle, this.#options.hb);
    this.#arm();
    try {
      await this.#call(fn);
    } finally {
      clearTimeout(this.#timer);
      this.#progress.stop();
    }
  }

  /** Ends the attempt: its outcome no longer counts. `reason` tells the function to stop. */
  end(reason?: CancelReason): void {
    this.#isOver = true;
    if (reason !== undefined) this.context.cancel(reason);
  }

  /** Stores progress at once that waits for the throttle, because another worker may execute the next attempt. */
  flush(): void {
    this.#progress?.flush();
  }

  /** Applies changed options. Returns false if the change does not affect this attempt. */
  retime(options: ScheduledMeta, closeBy: Micros | null): boolean {
    const { stc, hb } = this.#options;
    if (this.#isOver || (options.stc === stc && options.hb === hb && closeBy === this.#closeBy)) return false;
    this.#options = options;
    this.#closeBy = closeBy;
    if (this.#progress === undefined) return true;
    this.#arm();
    if (options.hb !== hb) this.#progress.retime(options.hb);
    return true;
  }

  async #call(fn: RegisteredActivity): Promise<void> {
    const { failPoint, maxPayloadBytes } = this.#worker;
    const { activity } = this.#owner;
    let payload: Uint8Array;
    try {
      const args = activity.args === null ? [] : (decodePayload(activity.args) as never[]);
      failPoint?.('before activity');
      const result = await activityStorage.run(this.context, () => fn(...args));
      failPoint?.('after activity');
      if (this.#isOver) return;
      payload = encodeResult(activity.type, result, maxPayloadBytes);
    } catch (error) {
      return this.#threw(error);
    }
    await this.#owner.completed(this, payload);
  }

  async #threw(error: unknown): Promise<void> {
    if (this.#isOver) return;
    this.flush();
    if (this.#storing !== undefined) await this.#storing;
    if (this.#isOver) return;
    const { activity, isCancelRequested } = this.#owner;
    if (error instanceof CompleteAsyncError && activity.options.local !== true) return this.#owner.leftToClient(this);
    const cancellation = this.context.cancellationOf(error);
    const { workerShutdown = false, paused = false } = this.context.cancellationDetails ?? {};
    if (cancellation !== undefined) {
      if (isCancelRequested) return this.#owner.failed(this, cancellation);
      // The attempt stopped because this worker stops. Another worker starts it again.
      if (workerShutdown && !this.isUnsafe) return;
      // As in Temporal: a pause does not use up an attempt, and the next attempt waits until the activity is unpaused.
      if (paused) return this.#owner.failed(this, new ApplicationFailure('Activity paused', pausedType));
    }
    await this.#owner.failed(this, ensureApplicationFailure(error));
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { stc } = this.#options;
    if (stc === undefined && this.#closeBy === null) return;
    const own = stc === undefined ? timerMsMax : Math.max(0, stc - this.ms);
    const whole = this.#closeBy === null ? timerMsMax : this.#worker.clock.delayMs(this.#closeBy);
    this.#timer = setTimeout(() => this.#late(TimeoutType.START_TO_CLOSE), Math.min(own, whole, timerMsMax));
  }

  #late(type: TimeoutType): void {
    if (!this.#isOver) this.#owner.timedOut(this, type);
  }

  // ProgressOwner

  silent(): void {
    this.#late(TimeoutType.HEARTBEAT);
  }

  storeProgress(): void {
    if (this.#isOver) return;
    let details: Uint8Array;
    try {
      details = encodePayload(this.details);
    } catch (error) {
      logUnstoredHeartbeat(this.#worker.logger, this.#owner, error);
      this.context.cancel('HEARTBEAT_DETAILS_CONVERSION_FAILED');
      return;
    }
    this.#storing = this.#owner.store(details);
  }

  // ContextOwner

  heartbeat(details: unknown): void {
    if (this.#isOver) return;
    this.details = details;
    this.#progress?.beat();
  }

  get maxPayloadBytes(): number {
    return this.#worker.maxPayloadBytes;
  }

  makeClient(): unknown {
    return this.#worker.client();
  }

  makeLog(): Logger {
    const { workflowId, runId } = this.#owner.run;
    return this.#worker.logger.child({
      workflowId,
      runId,
      activityType: this.#owner.activity.type,
      attempt: this.number,
    });
  }

  makeInfo(): ActivityInfo {
    const { number, dueAt } = this;
    const { run, activity, isStandalone } = this.#owner;
    const { namespace, taskQueue } = this.#worker;
    const { seq, options } = activity;
    const { stc, s2c } = options;
    const { runId, workflowId, workflowType } = run;
    const place = isStandalone
      ? { inWorkflow: false, activityRunId: runId }
      : {
          inWorkflow: true,
          workflowExecution: { workflowId, runId },
          workflowType,
          workflowNamespace: namespace,
        };
    return {
      activityId: options.id ?? String(seq),
      activityType: activity.type,
      attempt: number,
      idempotencyKey: options.key ?? `${this.#owner.scheduledIn}:${seq}`,
      isLocal: options.local === true,
      ...place,
      activityNamespace: namespace,
      namespace,
      taskQueue,
      scheduledTimestampMs: Math.floor(activity.scheduledAt / 1000),
      currentAttemptScheduledTimestampMs: Math.floor(dueAt / 1000),
      startToCloseTimeoutMs: Math.min(stc ?? s2c ?? 0, s2c ?? stc ?? 0),
      scheduleToCloseTimeoutMs: s2c ?? 0,
      heartbeatTimeoutMs: options.hb,
      heartbeatDetails: this.#detailsBefore,
      retryPolicy: options.retry === undefined ? defaultPolicy : resolvedPolicy(options.retry),
      // Created on first use, because most activities do not need it.
      get taskToken() {
        return encodeTaskToken({ runId, seq, attempt: number });
      },
      get base64TaskToken() {
        return Buffer.from(this.taskToken).toString('base64');
      },
    };
  }
}

const defaultPolicy = Object.freeze(resolvedPolicy(undefined));

/** Fails the call at once, so that the owner of the replay stops it. */
function notLive(type: string, effect: ActivityEffect): ApplicationFailure {
  const message = `Activity ${type} (effect ${effect}) was not entered: the replay does not allow it.`;
  return ApplicationFailure.nonRetryable(message, notLiveType);
}

function notRegistered(activities: Activities, type: string): ApplicationFailure {
  const names = JSON.stringify(Object.keys(activities));
  const message = `Activity function ${type} is not registered on this Worker, available activities: ${names}`;
  return ApplicationFailure.create({ type: 'NotFoundError', message });
}

/**
 * @throws ApplicationFailure, non-retryable if the result is at fault: a retry would repeat the effect and fail again
 */
function encodeResult(activityType: string, result: unknown, maxPayloadBytes: number): Uint8Array {
  let payload: Uint8Array;
  try {
    payload = encodePayload(result);
  } catch (error) {
    if (error instanceof RuntimeError) throw ApplicationFailure.nonRetryable(error.message, error.code);
    throw ensureApplicationFailure(error);
  }
  if (payload.length <= maxPayloadBytes) return payload;
  throw ApplicationFailure.nonRetryable(
    `Result of activity ${activityType} has ${payload.length} bytes, the limit is ${maxPayloadBytes}. ` +
      'Return a reference to it, or raise maxPayloadBytes.',
    'PAYLOAD_TOO_LARGE',
  );
}
