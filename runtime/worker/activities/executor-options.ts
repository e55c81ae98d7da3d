// What the activity executor needs to know, and to whom it reports.
import type { Logger } from 'pino';
import type { Micros } from '../../core/log/event.ts';
import type { Activities } from './activity-context.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { HeartbeatThrottle } from './attempt-progress.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { FailPointListener } from '../life/fail-point.ts';
import type { Input } from '../../core/run/input.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { LiveRun } from '../turns/live-run.ts';
import type { ProgressStore } from './progress-store.ts';

export interface ExecutorOptions {
  readonly activities: Activities;
  readonly slots: ActivitySlots;
  /** Places of local activities. */
  readonly localSlots: ActivitySlots;
  readonly heartbeatThrottle: HeartbeatThrottle;
  readonly maxPayloadBytes: number;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  /** A client of the worker's, for activities that ask for one. */
  readonly client: () => unknown;
  /** An attempt could not be begun or ended for a fault of the engine. */
  broken(run: LiveRun, error: unknown): void;
  /** Hands an outcome to its run. */
  report(run: LiveRun, input: Input): void;
  /** Makes a fact durable before going on: the start of an `unsafe` attempt. Resolves once it is in the log. */
  reportDurably(run: LiveRun, input: Input): Promise<void>;
  readonly progress: ProgressStore;
  /** Attempts ended because this worker ends: they are to be begun anew. */
  lost(run: LiveRun, seqs: readonly number[]): void;
  /** A client will complete this attempt; it began at `startedAt`. */
  completesLater(run: LiveRun, activity: PendingActivity, attempt: number, startedAt: Micros): void;
  readonly failPoint?: FailPointListener | undefined;
}
