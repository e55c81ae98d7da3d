// An activity that this process has in hand, from its durable schedule to its outcome.
import type { ActivityContext } from './activity-context.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { RunState } from '../../core/run/run-state.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { LiveRun } from '../turns/live-run.ts';

const timerMsMax = 2_147_483_647;

export class ActivityEntry {
  readonly run: LiveRun;
  readonly activity: PendingActivity;
  state: 'waiting' | 'queued' | 'running' | 'reported' = 'waiting';
  /** Of the running attempt. */
  context: ActivityContext | undefined;
  /** Of the last attempt. */
  progress: AttemptProgress | undefined;
  /** Gives back the running attempt's place. */
  release: (() => void) | undefined;
  heartbeatDetails: unknown;
  /** Also those that are not in the log yet, as is the last failure. */
  failedAttempts: number;
  lastFailure: Uint8Array | null;
  /** Progress lies in the database and must go when the activity closes. */
  progressStored: boolean;
  /** End whatever state the entry is in: back-off, schedule-to-close, schedule-to-start. */
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(run: LiveRun, activity: PendingActivity, progress: { details: unknown } | undefined) {
    this.run = run;
    this.activity = activity;
    this.failedAttempts = activity.failedAttempts;
    this.lastFailure = activity.lastFailure;
    this.heartbeatDetails = progress?.details;
    this.progressStored = progress !== undefined;
  }

  /** For those who log what becomes of it. */
  get attempt(): { readonly run: RunState; readonly activity: PendingActivity } {
    return { run: this.run.state, activity: this.activity };
  }

  get isRunning(): boolean {
    return this.state === 'running';
  }

  /** Calls `then` after `ms` unless the outcome is reported before; a longer wait than a timer can hold ends early. */
  after(ms: number, then: () => void): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        if (this.state !== 'reported') then();
      },
      Math.min(ms, timerMsMax),
    );
    this.#timers.add(timer);
  }

  /** No outcome is expected any more. */
  finish(): void {
    this.state = 'reported';
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
