// One replay fork in the memory of its owner: its policy, its record, and the course that follows from them. Decides which
// calls are entered and in which time the fork lives. Reads the log of the origin; writes nothing.
import { hash } from 'node:crypto';
import type { ActivityEffect } from '../../core/activity/activity-effect.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { Called } from '../../core/live-replay/called.ts';
import { enteredOptions, readGivenResults } from '../../core/recovery/replay-plan.ts';
import { RecordedPart } from '../../core/live-replay/recorded-part.ts';
import {
  type LiveRule,
  type PlannedInput,
  ReplayCourse,
  type ReplayMove,
} from '../../core/live-replay/replay-course.ts';
import { liveMark, mayEnter, type ReplayPolicy } from '../../core/live-replay/replay-policy.ts';
import { assert } from '../../core/failure/runtime-error.ts';
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import type { Input } from '../../core/run/input.ts';
import { readForkedMeta } from '../../core/run/forked-meta.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import { readHistory } from '../../store/log/history.ts';
import { readLine } from '../../store/log/line.ts';
import type { Database } from '../../store/sql/database.ts';
import { type Activities, activityOf, declarationOf } from '../activities/activity-context.ts';
import { enteredActivity } from './entered-activity.ts';
import { stopInput } from './stop-input.ts';
import { RecordedEvents, replayedInput } from './recorded-events.ts';

export class ReplayFork {
  readonly #runId: string;
  readonly #policy: ReplayPolicy;
  readonly #course: ReplayCourse;
  readonly #events: RecordedEvents;
  /** A step is being carried out. */
  isBusy = false;
  /** Wakes the fork for its next timer, in real time. */
  alarm: NodeJS.Timeout | undefined;
  /** Time of the turn that the inputs of the last step make. */
  #plannedAt: Micros | undefined;
  /** Time of the fork's last event, and the database's clock when this process learned of it. */
  #at: Micros = 0;
  #since: Micros = 0;
  #clock: Micros = 0;

  private constructor(runId: string, policy: ReplayPolicy, course: ReplayCourse, events: RecordedEvents) {
    this.#runId = runId;
    this.#policy = policy;
    this.#course = course;
    this.#events = events;
  }

  /** `now`: the database's clock. */
  static async load(
    { database, activities, now }: { database: Database; activities: Activities; now: Micros },
    runId: string,
  ): Promise<ReplayFork> {
    const { first } = (await readLine(database, runId)).at(-1)!;
    const point = first - 1;
    let forked: HistoryEvent | undefined;
    for await (const [event] of readHistory(database, runId, { after: point, upTo: first })) forked = event;
    const policy = forked === undefined ? undefined : readForkedMeta(forked).replay;
    assert(forked !== undefined && policy !== undefined, `run ${runId} is not a replay`);
    const { origin, head } = policy;
    const part = new RecordedPart(point, sha256);
    for await (const page of readHistory(database, origin, { upTo: head, forReplay: 'digests' })) {
      for (const event of page) part.take(event);
    }
    part.finish();
    const rule = new WorkerRule(policy, activities, part.harmless);
    const course = new ReplayCourse(part, policy, { results: readGivenResults(forked.payload), rule, sha256 });
    const fork = new ReplayFork(runId, policy, course, new RecordedEvents(database, origin, head));
    fork.#clock = now;
    for await (const page of readHistory(database, runId, { after: point, forReplay: 'digests' })) {
      for (const event of page) fork.#record(event, true);
    }
    return fork;
  }

  get isRealTime(): boolean {
    return this.#policy.realTime === true;
  }

  /** The time of the fork when real time passes in it. `now`: the database's clock. */
  timeAt(now: Micros): Micros {
    return this.#at + Math.max(0, now - this.#since);
  }

  /** Takes an event that was just appended. */
  record(event: HistoryEvent): void {
    this.#record(event, false);
  }

  #record(event: HistoryEvent, isDigest: boolean): void {
    this.#course.record(event, isDigest);
    this.#at = event.at;
    this.#since = this.#clock;
    this.#plannedAt = undefined;
  }

  isLive(seq: number): boolean {
    return this.#course.isLive(seq);
  }

  /** The activity as it is entered; undefined when it must not be entered. */
  entered(activity: PendingActivity, now: Micros): PendingActivity | undefined {
    if (!this.#course.isLive(activity.seq)) return undefined;
    const { seq, type, options } = activity;
    return enteredActivity(activity, now, enteredOptions(options, { runId: this.#runId, seq, type }, this.#policy));
  }

  /** The input as the fork takes it: the fork stops where a worker refused to enter a call. */
  admitted(input: Input): Input {
    const stop = this.#course.stopAt(input.type, input.answers, input.payload);
    if (stop === undefined) return input;
    return input.mailId === undefined ? stopInput(stop) : { ...stopInput(stop), mailId: input.mailId };
  }

  next(hasUnseen: boolean): ReplayMove {
    return this.#course.next(hasUnseen);
  }

  /** The next turn gets this time. */
  plan(at: Micros): void {
    this.#plannedAt = at;
  }

  inputsOf(planned: readonly PlannedInput[]): Promise<Input[]> {
    return Promise.all(planned.map(async (each) => replayedInput(each, await this.#events.of(each))));
  }

  /**
   * The time of a turn with these inputs: that of the record until the fork diverges, and from then on what has passed
   * since the last turn. `now`: the database's clock.
   */
  turnTime(inputs: readonly Input[], now: Micros): Micros {
    this.#clock = now;
    if (this.#plannedAt !== undefined) return this.#plannedAt;
    if (this.#course.hasDiverged) return this.timeAt(now);
    return inputs.reduce((at, { answers }) => Math.max(at, this.#course.recordedTimeOf(answers) ?? 0), this.#at);
  }
}

/** What this worker knows about activities. */
class WorkerRule implements LiveRule {
  readonly #policy: ReplayPolicy;
  readonly #activities: Activities;
  readonly #harmless: ReadonlySet<string>;

  /** `harmless`: types that other workers have declared with effect 'none'. */
  constructor(policy: ReplayPolicy, activities: Activities, harmless: ReadonlySet<string>) {
    this.#policy = policy;
    this.#activities = activities;
    this.#harmless = harmless;
  }

  verdictOn({ name }: Called): 'live' | 'undeclared' | 'unsafe' {
    const mark = liveMark(this.#policy, name);
    const effect = this.#effectOf(name);
    if (mayEnter(effect, mark)) return 'live';
    return mark.named === true && effect === 'unsafe' ? 'unsafe' : 'undeclared';
  }

  isSampled({ name, id }: Called): boolean {
    const { sample } = this.#policy;
    if (sample === undefined) return true;
    const part = hash('sha256', `${name} ${id}`, 'buffer').readUInt32BE(0);
    return part < sample * 2 ** 32;
  }

  /**
   * The effect that an activity declares. If only other workers have registered the activity, the record says what it
   * declared then, and the worker that executes it checks again.
   */
  #effectOf(name: string): ActivityEffect {
    const fn = activityOf(this.#activities, name);
    if (fn !== undefined) return declarationOf(fn).effect;
    return this.#harmless.has(name) ? 'none' : 'keyed';
  }
}
