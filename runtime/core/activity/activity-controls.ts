// Folds the log of a standalone activity into the changes that clients requested while the activity was open: pauses,
// unpauses and new options. Pure.
import type { ScheduledMeta } from '../log/activation.ts';
import { readStartMeta, type StartedMeta } from '../run/start-meta.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';

export interface UnpausedMeta {
  /** When the next attempt is due; absent when an attempt was running. */
  dueAt?: Micros;
  /** The client delayed the next attempt beyond its back-off. */
  putOff?: true;
  /** Attempts that failed before this event no longer count against the retry policy. */
  resetAttempts?: true;
  /** Heartbeat details of earlier attempts are discarded. */
  resetHeartbeat?: true;
}

export interface OptionsUpdatedMeta {
  /** The complete options from now on. */
  options: ScheduledMeta;
  /** The client restored the options of the start. */
  restored?: true;
  /** When the next attempt is due under the new retry policy; absent when the due time did not change. */
  dueAt?: Micros;
}

/** The part of `meta` of ActivityAttemptFailed that this fold reads. */
interface StoppedMeta {
  /** The attempt stopped because the activity was paused. It does not count as a failed attempt. */
  paused?: true;
}

export interface ActivityPause {
  readonly at: Micros;
  readonly reason: string | null;
  /** Identity of the client that paused the activity. */
  readonly by: string | null;
}

export interface ActivityControls {
  readonly paused: ActivityPause | undefined;
  readonly original: ScheduledMeta;
  readonly options: ScheduledMeta;
  /** The task queue whose workers execute the activity. */
  readonly taskQueue: string;
  /** True once options were changed, even if they were changed back. */
  readonly isChanged: boolean;
  /** True once the activity was paused, even if it runs again. */
  readonly wasPaused: boolean;
  /** End of the start delay. The first attempt is not due earlier, and schedule-to-close counts from this time. */
  readonly notBefore: Micros;
  /** When the next attempt is due. Undefined: at the time that the last failure set. */
  readonly dueAt: Micros | undefined;
  /** The activity waits longer than its back-off because an unpause asked for a delay. */
  readonly isPutOff: boolean;
  /** Number of failed attempts that a reset removed from the count. */
  readonly forgiven: number;
}

type Fact = Pick<HistoryEvent, 'type' | 'at' | 'reason' | 'sourceId' | 'meta'>;

/** `events`: the whole log, or at least its start, its failed attempts and its control events. */
export function activityControls(events: readonly Fact[]): ActivityControls {
  const [first] = events;
  const started: Partial<StartedMeta> = readStartMeta(first);
  const original = started.activity ?? { id: started.workflowId ?? '' };
  const notBefore = (first?.at ?? 0) + (started.startDelayMs ?? 0) * 1000;
  let [paused, options, isChanged, wasPaused] = [undefined as ActivityPause | undefined, original, false, false];
  let [dueAt, isPutOff, failed, forgiven] = [undefined as Micros | undefined, false, 0, 0];
  for (const { type, at, reason, sourceId, meta } of events) {
    if (type === 'ActivityAttemptFailed') {
      failed++;
      if ((JSON.parse(meta ?? '{}') as StoppedMeta).paused === true) forgiven++;
      dueAt = undefined;
      isPutOff = false;
    } else if (type === 'ActivityPaused') {
      paused = { at, reason, by: sourceId };
      wasPaused = true;
    } else if (type === 'ActivityUnpaused') {
      const unpaused = JSON.parse(meta ?? '{}') as UnpausedMeta;
      paused = undefined;
      dueAt = unpaused.dueAt ?? dueAt;
      if (unpaused.dueAt !== undefined) isPutOff = unpaused.putOff === true;
      if (unpaused.resetAttempts === true) forgiven = failed;
    } else if (type === 'ActivityOptionsUpdated') {
      const updated = JSON.parse(meta ?? '{}') as OptionsUpdatedMeta;
      options = updated.options;
      isChanged = true;
      dueAt = updated.dueAt ?? dueAt;
    }
  }
  const taskQueue = options.queue ?? started.taskQueue ?? '';
  return { paused, original, options, taskQueue, isChanged, wasPaused, notBefore, dueAt, isPutOff, forgiven };
}
