// A run in the memory of its owner: the fold of its log (`state`), its code, and inputs that wait to be appended. Facts
// from the log are in `state` alone, so a new owner arrives at the same `state`.
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import { ActivityPlaces } from '../../core/activity/activity-places.ts';
import { endsWait, type Input } from '../../core/run/input.ts';
import { workerLost } from '../../core/run/worker-lost.ts';
import type { InheritedKeys } from '../../core/recovery/inherited-keys.ts';
import { RunState } from '../../core/run/run-state.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import { runIdBytes } from '../../store/runs/run-id.ts';
import type { ReplayFork } from '../replays/replay-fork.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';
import type { RunCheckpoints } from './run-checkpoints.ts';
import { assertMove, type RunPhase } from './run-phase.ts';

export class LiveRun {
  readonly runId: string;
  readonly runKey: Buffer;
  /** The fold of the log. */
  readonly state: RunState;
  /** Where the run's pending activities are executed: here, or elsewhere. */
  readonly places: ActivityPlaces = new ActivityPlaces();
  /** Events in the log that no hash covers yet, such as the start that a client wrote. */
  unhashedEvents: HistoryEvent[] = [];
  /** Inputs in the log that no activation has seen yet: the start, and inputs of a failed workflow task. */
  inputsToReplay: HistoryEvent[] = [];
  /** Inputs that were appended while the code was being rebuilt, and that the code has not seen. */
  inputsDuringReload: HistoryEvent[] = [];
  /** Inputs that are not in the log yet. */
  queue: Input[] = [];
  /**
   * Updates, patches of people and results with staged patches that the code has not seen yet. They are in the log only
   * once the code has accepted them.
   */
  unseenInputs: Input[] = [];
  sandbox: ActiveRun | undefined;
  /** Idempotency keys for calls that a fork repeats; undefined for any other run. */
  inheritedKeys: InheritedKeys | undefined;
  /** The version of the worker; undefined for an unversioned worker. */
  readonly versions: WorkerVersions | undefined;
  /** The queue in the run's ready row when the run was claimed. */
  queueKey: string | undefined;
  /** The run is moving to another worker, so no activity begins here. */
  isLeaving = false;
  /**
   * The inbox holds a message of an unknown type, or one that cannot be decoded. That message and all later ones stay
   * unread.
   */
  isMailUnreadable = false;
  /** Id of the last message that was read. */
  mailRead: number;
  /** Number of messages ever sent to the run, when it was claimed. */
  readonly mailClaimed: number;
  /** Epoch of the owner that died while it owned the run; null when none did. */
  readonly lost: number | null;
  /** Resolves when the append of inputs during a reload has an outcome; undefined when no such append is under way. */
  appendingDuringReload: Promise<void> | undefined;
  /** How many closing turns in a row were refused because of new mail. */
  lostCloses = 0;
  /** When to retry a failed workflow task. */
  retryTaskAt: Micros | undefined;
  idleSince = 0;
  /** Number of starts of children and messages to other runs that are under way. */
  sending = 0;
  /** Stored progress of pending activities, from loading the run until its activities start. */
  progress: Map<number, Uint8Array> | undefined;
  /** What has happened since the last checkpoint of the context; undefined before the first turn with a context. */
  checkpoints: RunCheckpoints | undefined;
  /** The database holds tasks of the run that no worker may begin, although the log may say otherwise by now. */
  hasHeldTasks = false;
  /** Decides about the calls of a replay fork; undefined for every other run. */
  replay: ReplayFork | undefined;
  /** How many times in a row the run went into quarantine. */
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

  /** @throws ASSERTION_FAILED for a phase that may not follow the present one */
  moveTo(phase: RunPhase): void {
    assertMove(this.runId, this.#phase, phase);
    this.#phase = phase;
  }

  /** Folds an appended event into the run. */
  record(event: HistoryEvent): void {
    this.state.apply(event);
    this.checkpoints?.add(event);
    if (event.hash !== null && this.unhashedEvents.length > 0) this.unhashedEvents = [];
    if (event.answers !== null && !this.state.activities.has(event.answers)) this.places.closed(event.answers);
    this.replay?.record(event);
  }

  /** Pending activities that this worker executes now or later, by seq. */
  activitiesHere(): number[] {
    const isHere = (seq: number): boolean => this.places.of(seq) === 'local';
    return [...this.state.activities.values()]
      .filter(({ seq, isHeld }) => isHere(seq) && !isHeld)
      .map(({ seq }) => seq);
  }

  /** The WorkerLost input for a lost owner; undefined when that owner had no activity of the run. */
  ownerLost(): Input | undefined {
    const ofOwner = ['local', 'held'];
    const activities =
      this.lost === null
        ? []
        : [...this.state.activities.keys()].filter((seq) => ofOwner.includes(this.places.of(seq)));
    return this.lost === null || activities.length === 0 ? undefined : workerLost(this.lost, activities);
  }

  /** The run's first task is not due before this time, whatever arrives. 0 when it need not wait, or has begun. */
  get waitsUntil(): Micros {
    const { chain, hash, hasBegun, cancelRequested } = this.state;
    return chain === undefined || hasBegun || (hash.length > 0 && cancelRequested) ? 0 : chain.notBefore;
  }

  /** Takes the inputs of the next turn: those that the code has not seen yet, then new ones. */
  takeQueue(): Input[] {
    const inputs = this.unseenInputs.length === 0 ? this.queue : [...this.unseenInputs, ...this.queue];
    this.queue = [];
    this.unseenInputs = [];
    return inputs;
  }

  /** Drops the code. It is rebuilt from the log before the next activation. */
  dropSandbox(): void {
    this.sandbox?.dispose();
    this.sandbox = undefined;
  }

  /** True when the run is idle and no input waits to be appended. */
  get settled(): boolean {
    return this.phase === 'idle' && this.queue.length === 0;
  }
}

/** Whether an input must wait until the run's first task is due. */
export function isEarly(run: LiveRun, { type }: Input, now: Micros): boolean {
  return run.waitsUntil > now && !endsWait(type);
}
