// One attempt at an activity of another worker's run, or of no workflow, from its claim to its report.
import type { ScheduledMeta } from '../../core/log/activation.ts';
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import type { Micros } from '../../core/log/event.ts';
import { ApplicationFailure, type CancelledFailure, ensureApplicationFailure } from '../../core/failure/failure.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import type { AttemptTerms, ClaimedTask, TaskState } from '../../store/activities/activity-tasks.ts';
import type { ActivityContext } from './activity-context.ts';
import { pausedType } from '../../core/activity/attempt-outcome.ts';
import type { AttemptProgress } from './attempt-progress.ts';

const timerMsMax = 2_147_483_647;

export class RunningTask {
  readonly task: ClaimedTask;
  readonly startedAt: number = performance.now();
  options: ScheduledMeta;
  details: unknown;
  /** The last report of progress on its way. */
  beating: Promise<void> | undefined;
  context: ActivityContext | undefined;
  progress: AttemptProgress | undefined;
  unsafe = false;
  /** Its outcome does not count any more, or is on its way. */
  isOver = false;
  release: (() => void) | undefined;
  #closeBy: Micros | null;
  #timer: NodeJS.Timeout | undefined;
  #onLate: (() => void) | undefined;
  #isCancelled = false;

  constructor(task: ClaimedTask) {
    this.task = task;
    this.options = JSON.parse(task.meta) as ScheduledMeta;
    this.details = task.details === null ? undefined : decodePayload(task.details);
    this.#closeBy = task.closeBy;
  }

  get ms(): number {
    return Math.round((performance.now() - this.startedAt) * 1000) / 1000;
  }

  /** Another one decides about it. */
  leave(reason: CancelReason): void {
    this.isOver = true;
    this.context?.cancel(reason);
    this.release?.();
  }

  /** Asks it to stop, as the database knows. */
  told(state: TaskState): void {
    if (state === 'cancel_requested') {
      this.#isCancelled = true;
      this.context?.cancel('CANCELLED');
    } else if (state === 'paused') this.context?.cancel('PAUSED');
    else if (state === 'gone' && !this.isOver) this.leave('NOT_FOUND');
  }

  /** What an error of the attempt is reported as; `cancellation`: that it comes from. */
  failureOf(error: unknown, cancellation: CancelledFailure | undefined): Error {
    const { cancelRequested = false, paused = false } = this.context?.cancellationDetails ?? {};
    if (cancellation !== undefined) {
      if (this.#isCancelled || cancelRequested) return cancellation;
      // Source: Temporal. It uses up no attempt, and the next one waits until the activity is unpaused.
      if (paused) return new ApplicationFailure('Activity paused', pausedType);
    }
    return ensureApplicationFailure(error);
  }

  /** Calls `onLate` when its time is over. `delayMs`: how long it is until then. */
  watch(onLate: () => void, delayMs: (at: Micros) => number): void {
    this.#onLate = onLate;
    this.#arm(delayMs);
  }

  /** Takes in other options; false when they are those that it has. */
  adopt({ options, closeBy }: AttemptTerms, delayMs: (at: Micros) => number): boolean {
    if (options === null && closeBy === this.#closeBy) return false;
    const next = JSON.parse(options ?? this.task.meta) as ScheduledMeta;
    const { stc, hb } = this.options;
    if (next.stc === stc && next.hb === hb && closeBy === this.#closeBy) return false;
    this.options = next;
    this.#closeBy = closeBy;
    this.#arm(delayMs);
    if (next.hb !== hb) this.progress?.retime(next.hb);
    return true;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.progress?.stop();
  }

  #arm(delayMs: (at: Micros) => number): void {
    if (this.#onLate === undefined) return;
    clearTimeout(this.#timer);
    const whole = this.#closeBy === null ? timerMsMax : delayMs(this.#closeBy);
    const own = this.options.stc === undefined ? timerMsMax : Math.max(0, this.options.stc - this.ms);
    this.#timer = setTimeout(this.#onLate, Math.min(whole, own, timerMsMax));
  }
}
