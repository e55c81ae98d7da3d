// A run in the memory of its owner: the fold of its log (`state`), its code, and what waits to be appended.
// What the log says is in `state` alone, so a new owner arrives at the same.
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import { ActivityPlaces } from '../../core/activity/activity-places.ts';
import { endsWait, type Input } from '../../core/run/input.ts';
import { workerLost } from '../../core/run/worker-lost.ts';
import { RunState } from '../../core/run/run-state.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import { runIdBytes } from '../../store/runs/run-id.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';
import { assertMove, type RunPhase } from './run-phase.ts';

export class LiveRun {
  readonly runId: string;
  readonly runKey: Buffer;
  /** What the log says. */
  readonly state: RunState;
  /** Where its pending activities are: here, or elsewhere. */
  readonly places: ActivityPlaces = new ActivityPlaces();
  /** Events in the log that no hash covers yet (the start, which its client writes). */
  unhashedEvents: HistoryEvent[] = [];
  /** Inputs in the log that no activation has seen yet: the start, and those of a failed workflow task. */
  inputsToReplay: HistoryEvent[] = [];
  /** Inputs that were appended while the code was being made again, and wait for it. */
  inputsDuringReload: HistoryEvent[] = [];
  /** Inputs that are not in the log yet. */
  queue: Input[] = [];
  /** Updates that could not be shown to the code yet: they are in the log only once it has accepted them. */
  unseenUpdates: Input[] = [];
  sandbox: ActiveRun | undefined;
  /** What the worker's own version means for the run; undefined for a worker without one. */
  readonly versions: WorkerVersions | undefined;
  /** The queue that the run's ready row names, when it was claimed. */
  queueKey: string | undefined;
  /** The run goes to other workers: no activity is begun here any more. */
  isLeaving = false;
  /** A message to the run is of an unknown type or cannot be decoded: it and all after it stay unread. */
  isMailUnreadable = false;
  /** Highest mail number read. */
  mailRead: number;
  /** Messages sent to the run when it was claimed. */
  readonly mailClaimed: number;
  /** Epoch of the owner that died with the run; null when none did. */
  readonly lost: number | null;
  /** Resolves when the turn that appends inputs during a reload has been answered; undefined when none is under way. */
  appendingDuringReload: Promise<void> | undefined;
  /** How often in a row a closing turn was refused because of new mail. */
  lostCloses = 0;
  /** When to try a failed workflow task again. */
  retryTaskAt: Micros | undefined;
  idleSince = 0;
  /** Starts of children and messages to other runs that are on their way. */
  sending = 0;
  /** Stored progress of pending activities, between loading the run and starting them. */
  progress: Map<number, Uint8Array> | undefined;
  /** How often in a row the run failed alone. */
  failures = 0;
  #phase: RunPhase = 'loading';

  constructor(runId: string, mailRead: number, lost: number | null, versions?: WorkerVersions) {
    this.runId = runId;
    this.state = new RunState(runId);
    this.versions = versions;
    this.runKey = runIdBytes(runId);
    this.mailRead = mailRead;
    this.mailClaimed = mailRead;
    this.lost = lost;
  }

  get phase(): RunPhase {
    return this.#phase;
  }

  /** @throws ASSERTION_FAILED for a phase that may not follow */
  moveTo(phase: RunPhase): void {
    assertMove(this.runId, this.#phase, phase);
    this.#phase = phase;
  }

  /** Folds an appended event into what is pending. */
  record(event: HistoryEvent): void {
    this.state.apply(event);
    if (event.hash !== null && this.unhashedEvents.length > 0) this.unhashedEvents = [];
    if (event.answers !== null && !this.state.activities.has(event.answers)) this.places.closed(event.answers);
  }

  /** Pending activities that this worker executes, or will, by seq. */
  activitiesHere(): number[] {
    return [...this.state.activities.keys()].filter((seq) => this.places.of(seq) === 'local');
  }

  /** What the log is told about a lost owner; undefined when it had no activity of the run. */
  ownerLost(): Input | undefined {
    const activities = this.lost === null ? [] : this.activitiesHere();
    return this.lost === null || activities.length === 0 ? undefined : workerLost(this.lost, activities);
  }

  /** Before this time its first task is not due, whatever comes; 0 when it has none to wait for, or has begun. */
  get waitsUntil(): Micros {
    const { chain, hash } = this.state;
    return chain === undefined || hash.length > 0 ? 0 : chain.notBefore;
  }

  /** What the next turn appends: updates that were not shown yet, then the new inputs. */
  takeQueue(): Input[] {
    const inputs = this.unseenUpdates.length === 0 ? this.queue : [...this.unseenUpdates, ...this.queue];
    this.queue = [];
    this.unseenUpdates = [];
    return inputs;
  }

  /** The code is made again from the log before its next activation. */
  dropSandbox(): void {
    this.sandbox?.dispose();
    this.sandbox = undefined;
  }

  /** True when nothing of the run is on its way in this process. */
  get settled(): boolean {
    return this.phase === 'idle' && this.queue.length === 0;
  }
}

/** An input that has to wait with the run's first task. */
export function isEarly(run: LiveRun, { type }: Input, now: Micros): boolean {
  return run.waitsUntil > now && !endsWait(type);
}
