// What the activity executor needs to know, and to whom it reports.
import type { Logger } from 'pino';
import type { Micros } from '../history/event.ts';
import type { ActivityMap } from './activity-call.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { DatabaseClock } from './clock.ts';
import type { FailPointListener } from './fail-point.ts';
import type { Input, LiveRun, PendingActivity } from './live-run.ts';

export interface ExecutorOptions {
  readonly activities: ActivityMap;
  readonly slots: ActivitySlots;
  readonly maxPayloadBytes: number;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  /** Hands an outcome to its run. */
  report(run: LiveRun, input: Input): void;
  /** Makes a fact durable before going on: the start of an `unsafe` attempt. Resolves once it is in the log. */
  reportDurably(run: LiveRun, input: Input): Promise<void>;
  /** Attempts ended because this worker ends: they are to be begun anew. */
  lost(run: LiveRun, seqs: readonly number[]): void;
  /** A client will complete this attempt; it began at `startedAt`. */
  completesLater(run: LiveRun, activity: PendingActivity, attempt: number, startedAt: Micros): void;
  storeProgress(runId: string, seq: number, details: Uint8Array): void;
  dropProgress(runId: string, seq: number): void;
  readonly failPoint?: FailPointListener | undefined;
}
