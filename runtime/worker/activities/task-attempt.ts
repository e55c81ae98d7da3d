// One claimed task from its claim to its report: one attempt at an activity of another worker's run, or at a standalone
// activity. Decides neither timeouts nor retries, which the run's owner and the store decide. When an attempt times
// out, this file only returns its slot.
import { setTimeout } from 'node:timers/promises';
import type { OutcomeMeta } from '../../core/activity/outcome-mail.ts';
import { usageFacts } from '../../core/activity/attempt-meta.ts';
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import type { ReplayPolicy } from '../../core/live-replay/replay-policy.ts';
import { enteredOptions } from '../../core/recovery/replay-plan.ts';
import type { ScheduledMeta } from '../../core/log/activation.ts';
import type { EventType } from '../../core/log/event.ts';
import { newEvent } from '../../core/log/new-event.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import {
  type AttemptTerms,
  beatTask,
  type ClaimedTask,
  taskName,
  tasksOfWorker,
  type TaskState,
} from '../../store/activities/activity-tasks.ts';
import { leaveToClient } from '../../store/activities/async-completion.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import { logAttempt, logUnstoredHeartbeat } from './log-attempt.ts';
import type { ActivityWorker } from './activity-worker.ts';
import { Attempt, type AttemptOwner } from './attempt.ts';
import type { AttemptReporter, ReportResult } from './attempt-reporter.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { RunningAttempts } from './running-attempts.ts';
import { stagedText } from './staged-patches.ts';
import type { TaskExpiry } from './task-expiry.ts';

export interface RemoteParts {
  readonly worker: ActivityWorker;
  readonly reportFence: Fence;
  readonly slots: ActivitySlots;
  readonly reporter: AttemptReporter;
  readonly running: RunningAttempts;
  readonly expiry: TaskExpiry;
}

/** Wait before the next try when the database cannot be reached. */
const outageMs = 100;

export class TaskAttempt implements AttemptOwner {
  readonly run: ClaimedTask;
  readonly activity: AttemptOwner['activity'];
  readonly isStandalone: boolean;
  isCancelRequested = false;
  readonly #parts: RemoteParts;
  readonly #attempt: Attempt;

  constructor(task: ClaimedTask, parts: RemoteParts) {
    const { seq, type, scheduledAt, args, closeBy, dueAt, attempt, details } = task;
    this.run = task;
    this.activity = { seq, type, scheduledAt, args, options: optionsOf(task) };
    this.isStandalone = task.isStandalone;
    this.#parts = parts;
    this.#attempt = new Attempt(this, parts.worker, {
      number: attempt,
      dueAt,
      details: details === null ? undefined : decodePayload(details),
      closeBy,
    });
  }

  get scheduledIn(): string {
    return this.run.scheduledIn;
  }

  /** The name that `tasksOfWorker` uses for this attempt. */
  get name(): string {
    const { runId, seq, attempt } = this.run;
    return taskName(runId, seq, attempt);
  }

  execute(): Promise<void> {
    return this.#parts.running.execute(this.#attempt, this.#parts.slots);
  }

  /** Ends the attempt and ignores its outcome, because another process has decided the outcome. */
  leave(reason: CancelReason): void {
    this.#attempt.end(reason);
    this.#parts.running.release(this.#attempt);
  }

  /** Compares the attempt with the database. Undefined `terms` mean that the attempt has ended there. */
  compare(terms: AttemptTerms | undefined): void {
    if (terms !== undefined) this.#adopt(terms);
    this.#told(terms?.state ?? 'gone');
  }

  async beginUnsafe(): Promise<boolean> {
    // The start is durable before the attempt begins: if the attempt is lost afterwards, nobody repeats it.
    return (await this.#report('ActivityAttemptStarted', null, null)) === 'sent';
  }

  async completed(_attempt: Attempt, payload: Uint8Array): Promise<void> {
    if ((await this.#report('ActivityCompleted', payload, null)) !== 'refused') return;
    const message = `The result of activity ${this.activity.type} could not be stored.`;
    await this.failed(this.#attempt, ApplicationFailure.nonRetryable(message));
  }

  async failed({ number: attempt }: Attempt, error: unknown): Promise<void> {
    logAttempt(this.#parts.worker.logger, this, error, { attempt });
    await this.#report('ActivityFailed', encodeFailure(error), thrownMessage(error));
  }

  async leftToClient(attempt: Attempt): Promise<void> {
    const { reportFence, worker } = this.#parts;
    const { database, life, logger } = worker;
    attempt.end();
    while (!life.isOver) {
      try {
        await leaveToClient(database, reportFence, this.run, stagedText(attempt.context.staged));
        return;
      } catch (error) {
        if (life.isOver) return;
        logger.warn({ err: error }, 'an activity could not be left to a client, will try again');
        await setTimeout(outageMs);
      }
    }
  }

  /** The attempt has timed out, unless a client has changed its timeouts. */
  timedOut(): void {
    void this.#lapse();
  }

  async store(details: Uint8Array): Promise<void> {
    const { database, life, clock, logger } = this.#parts.worker;
    try {
      this.#told(await beatTask(database, life.epoch, this.run, { now: clock.now(), details }));
    } catch (error) {
      logUnstoredHeartbeat(logger, this, error);
    }
  }

  async #lapse(): Promise<void> {
    const { database, life } = this.#parts.worker;
    if (this.isStandalone) {
      // If the database does not answer, the timeouts known here apply.
      const known = await tasksOfWorker(database, life.epoch).catch(() => undefined);
      const terms = known?.get(this.name);
      if (this.#attempt.isOver || (terms !== undefined && this.#adopt(terms))) return;
    }
    this.leave('TIMED_OUT');
    this.#parts.expiry.nudge();
  }

  #told(state: TaskState): void {
    if (state === 'cancel_requested') {
      this.isCancelRequested = true;
      this.#attempt.context.cancel('CANCELLED');
    } else if (state === 'paused') this.#attempt.context.cancel('PAUSED');
    else if (state === 'gone' && !this.#attempt.isOver) this.leave('NOT_FOUND');
  }

  /** Returns true if the timeouts have changed. */
  #adopt({ options, closeBy }: AttemptTerms): boolean {
    if (!this.isStandalone) return false;
    return this.#attempt.retime(JSON.parse(options ?? this.run.meta) as ScheduledMeta, closeBy);
  }

  #report(type: EventType, payload: Uint8Array | null, reason: string | null): Promise<ReportResult> {
    const { runId, seq, attempt } = this.run;
    const { ms, context, isUnsafe, declared } = this.#attempt;
    const meta: OutcomeMeta = {
      seq,
      attempt,
      ms,
      identity: this.#parts.worker.identity,
      ...usageFacts(context.usage),
      ...(isUnsafe ? { unsafe: true } : {}),
      ...(type === 'ActivityCompleted' && context.staged !== undefined ? { patches: context.staged } : {}),
      ...declared,
    };
    const columns = newEvent(0, type, { payload, reason });
    return this.#parts.reporter.report({
      ...{ runId, seq, attempt, type, payload },
      reason: columns.reason,
      meta: JSON.stringify(meta),
    });
  }
}

/** A task of a replay fork carries a mark: its function may only be entered if the fork's policy says so. */
function optionsOf({ meta, replay, ...call }: ClaimedTask): ScheduledMeta {
  const options = JSON.parse(meta) as ScheduledMeta;
  return replay === null ? options : enteredOptions(options, call, JSON.parse(replay) as ReplayPolicy);
}
