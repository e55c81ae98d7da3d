// What was asked of a standalone activity while it was open: a fold of its log. Pure.
import type { ScheduledMeta } from '../log/activation.ts';
import { readStartMeta, type StartedMeta } from '../run/start-meta.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';

/** `meta` of ActivityUnpaused. */
export interface UnpausedMeta {
  /** When the next attempt is due; absent when one was at work. */
  dueAt?: Micros;
  /** That is later than its back-off: it was asked to wait. */
  putOff?: true;
  /** Attempts that failed before count no more against the retry policy. */
  resetAttempts?: true;
  /** What attempts before reported is forgotten. */
  resetHeartbeat?: true;
}

/** `meta` of ActivityOptionsUpdated. */
export interface OptionsUpdatedMeta {
  /** All options as they are from now on. */
  options: ScheduledMeta;
  /** They are those that it was started with. */
  restored?: true;
  /** When the next attempt is due under the new retry policy; absent when that is as it was. */
  dueAt?: Micros;
}

/** `meta` of ActivityAttemptFailed, as far as it matters here. */
interface StoppedMeta {
  /** It stopped because the activity was paused, which counts as no failed attempt. */
  paused?: true;
}

export interface ActivityPause {
  readonly at: Micros;
  readonly reason: string | null;
  /** Identity of the client that asked for it. */
  readonly by: string | null;
}

export interface ActivityControls {
  readonly paused: ActivityPause | undefined;
  /** That it was started with. */
  readonly original: ScheduledMeta;
  /** As they are now. */
  readonly options: ScheduledMeta;
  /** Whose workers execute it. */
  readonly taskQueue: string;
  /** Options were changed, be it back to what they were. */
  readonly isChanged: boolean;
  /** It was paused at some time. */
  readonly wasPaused: boolean;
  /** The end of its start delay: its first attempt is not due before, and its time counts from then. */
  readonly notBefore: Micros;
  /** When its next attempt is due; undefined: as its last failure says. */
  readonly dueAt: Micros | undefined;
  /** It waits because it was asked to when it was unpaused, for longer than its back-off. */
  readonly isPutOff: boolean;
  /** Failed attempts that count no more. */
  readonly forgiven: number;
}

type Fact = Pick<HistoryEvent, 'type' | 'at' | 'reason' | 'sourceId' | 'meta'>;

/** `events`: the whole log, or at least its start, its failed attempts, and what was asked. */
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
