// A run in the memory of its owner: the head of its log, what is pending in it, and what waits to be appended.
// Everything here but the queue is a fold of the log (`record`), so a new owner arrives at the same.
import type { RunLink, ScheduledMeta, TimerMeta } from '../../core/log/activation.ts';
import { readStartMeta, type StartedMeta } from '../../core/run/start-meta.ts';
import { type ChainRules, chainRules } from '../../core/run/chain.ts';
import { type DeploymentMeta, type RunVersioning, startedVersioning } from '../../core/run/deployment.ts';
import { newEvent } from '../../core/log/new-event.ts';
import {
  type NewEvent,
  eventCode,
  type EventType,
  type HistoryEvent,
  isOutput,
  type Micros,
} from '../../core/log/event.ts';
import { RunLinks } from '../../core/run/run-links.ts';
import type { Elsewhere } from '../../store/activities/activity-heartbeats.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import { runIdBytes } from '../../store/runs/run-id.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';

/** Something that happened and is not in the log yet. */
export interface Input extends Omit<NewEvent, 'seq'> {
  /** Mail number, when it came through the inbox. */
  readonly mailId?: number;
  /** Read, and nothing for the log: it tells of an attempt that was over. */
  readonly isVoid?: boolean;
}

export interface PendingActivity {
  readonly seq: number;
  readonly type: string;
  readonly options: ScheduledMeta;
  readonly scheduledAt: Micros;
  /** Arguments, encoded; null after a replay until they are read from the log. */
  args: Uint8Array | null;
  failedAttempts: number;
  lostAttempts: number;
  /** Attempt that an `unsafe` activity is known to have begun. */
  startedAttempt: number;
  /** Not before this time, after a failed attempt. */
  nextAttemptAt: Micros;
  lastFailure: Uint8Array | null;
  cancelRequested: boolean;
  /** Not executed here. */
  elsewhere?: Elsewhere | undefined;
  /** The attempt whose outcome such a message told, and that is on its way into the log. */
  decided?: number | undefined;
}

/** Numbers of the events of children and of messages to other runs. */
const linkCodes = { first: eventCode.ChildWorkflowInitiated, last: eventCode.ExternalCancelFailed } as const;

/** Events that say nothing to workflow code: alone they cause no activation. */
const invisible: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityAttemptStarted',
  'ActivityAttemptFailed',
  'WorkerLost',
  'WorkflowTaskFailed',
  'WorkflowTaskCompleted',
  'WorkflowTaskDeferred',
  'WorkflowTerminated',
  'WorkflowTimedOut',
]);

export function isVisible(type: EventType): boolean {
  return !invisible.has(type);
}

/** The events of a turn that workflow code is to see. */
export function visibleInputs(events: readonly HistoryEvent[]): HistoryEvent[] {
  return events.filter((event) => !isOutput(event) && isVisible(event.type));
}

/** What the log is told of a run that came from an owner who died: the activities that it may have had at work. */
export function workerLost(epoch: number, activities: readonly number[]): Input {
  const meta = JSON.stringify({ epoch, activities });
  return newEvent(0, 'WorkerLost', { meta, reason: `worker ${epoch} was lost while it owned this run` });
}

/** The activities whose attempts a WorkerLost tells of, by seq. */
export function lostActivities(event: Pick<HistoryEvent, 'meta'>): readonly number[] {
  return (JSON.parse(event.meta ?? '{}') as { activities?: number[] }).activities ?? [];
}

export class LiveRun {
  readonly runId: string;
  readonly runKey: Buffer;
  /** Head of the log. */
  seq = 0;
  at: Micros = 0;
  hash: Uint8Array = new Uint8Array(0);
  /** Events in the log that no hash covers yet (the start, which its client writes). */
  unhashed: HistoryEvent[] = [];
  /** Inputs in the log that no activation has seen yet: the start, and those of a failed workflow task. */
  carried: HistoryEvent[] = [];
  /** Failed workflow tasks since the last good one. */
  taskFailures = 0;
  workflowType = '';
  workflowId = '';
  /** Of the run and its family, for the children that it starts. */
  namespace = '';
  taskQueue = '';
  parent: StartedMeta['parent'];
  root: RunLink | undefined;
  /** Children and messages to other runs that are under way; made when there are any. */
  links: RunLinks | undefined;
  /** Of a run that can time out, or that others follow. */
  chain: ChainRules | undefined;
  readonly activities: Map<number, PendingActivity> = new Map();
  readonly timers: Map<number, Micros> = new Map();
  /** Behavior number of the engine that the run was started under. */
  engine: number | undefined;
  /** Of which deployment's version the run is; undefined when it has nothing to do with versions. */
  versioning: RunVersioning | undefined;
  /** What the worker's own version means for the run; undefined for a worker without one. */
  readonly versions: WorkerVersions | undefined;
  /** The queue that the run's ready row names, when it was claimed. */
  queueKey: string | undefined;
  /** The run goes to other workers: no activity is begun here any more. */
  isLeaving = false;
  /** A message to the run is of an unknown type or cannot be decoded: it and all after it stay unread. */
  isMailUnreadable = false;
  /** Ids of accepted updates: one that is sent again is no new one. */
  readonly updates: Set<string> = new Set();

  /** Highest mail number read. */
  mailRead: number;
  /** Messages sent to the run when it was claimed. */
  readonly mailClaimed: number;
  readonly lost: number | null;
  queue: Input[] = [];
  /** Updates that could not be shown to the code yet: they are in the log only once it has accepted them. */
  kept: Input[] = [];
  sandbox: ActiveRun | undefined;
  phase: 'loading' | 'reloading' | 'idle' | 'queued' | 'flushing' | 'parking' | 'quarantined' | 'gone' = 'loading';
  /** Inputs that were appended while the code was being made again, and wait for it. */
  deferred: HistoryEvent[] = [];
  /** Resolves when the deferred turn that is on its way has arrived. */
  deferring: Promise<void> | undefined;
  /** Closing turns lost against new mail. */
  lostCloses = 0;
  /** When to try a failed workflow task again. */
  retryTaskAt: Micros | undefined;
  idleSince = 0;
  /** Starts of children and messages to other runs on their way. */
  sending = 0;
  /** Stored progress of pending activities, between loading the run and starting them. */
  progress: Map<number, Uint8Array> | undefined;

  constructor(runId: string, mailRead: number, lost: number | null, versions?: WorkerVersions) {
    this.runId = runId;
    this.versions = versions;
    this.runKey = runIdBytes(runId);
    this.mailRead = mailRead;
    this.mailClaimed = mailRead;
    this.lost = lost;
  }

  /** Folds an appended event into what is pending. */
  record(event: HistoryEvent): void {
    this.seq = event.seq;
    this.at = event.at;
    if (event.hash !== null) this.hash = event.hash;
    switch (event.type) {
      case 'WorkflowStarted':
        this.workflowType = event.name ?? '';
        this.#recordStart(event);
        return;
      case 'WorkflowTaskCompleted':
        if (event.meta === null) return;
        this.versioning = { ...this.versioning, recorded: JSON.parse(event.meta) as DeploymentMeta };
        return;
      case 'WorkflowTaskFailed':
        this.taskFailures = event.attempt ?? this.taskFailures + 1;
        return;
      case 'ActivityScheduled':
        this.activities.set(event.seq, {
          seq: event.seq,
          type: event.name ?? '',
          options: JSON.parse(event.meta ?? '{}') as ScheduledMeta,
          scheduledAt: event.at,
          args: event.payload,
          failedAttempts: 0,
          lostAttempts: 0,
          startedAttempt: 0,
          nextAttemptAt: 0,
          lastFailure: null,
          cancelRequested: false,
        });
        return;
      case 'ActivityCompleted':
      case 'ActivityFailed':
      case 'ActivityTimedOut':
      case 'ActivityCancelled':
        this.activities.delete(event.answers!);
        return;
      case 'TimerStarted':
        this.timers.set(event.seq, (JSON.parse(event.meta ?? '{}') as TimerMeta).due);
        return;
      case 'TimerFired':
      case 'TimerCancelled':
        this.timers.delete(event.answers!);
        return;
      case 'UpdateAccepted':
        if (event.correlationId !== null) this.updates.add(event.correlationId);
        return;
      case 'WorkerLost':
        for (const seq of lostActivities(event)) {
          const activity = this.activities.get(seq);
          if (activity !== undefined) activity.lostAttempts++;
        }
        return;
      default:
        this.#recordOther(event);
    }
  }

  #recordStart({ name, meta, at }: HistoryEvent): void {
    const started = readStartMeta({ meta });
    this.workflowType = name ?? '';
    this.workflowId = started.workflowId ?? '';
    this.namespace = started.namespace ?? '';
    this.taskQueue = started.taskQueue ?? '';
    this.parent = started.parent;
    this.root = started.root;
    this.engine = started.engine;
    this.chain = chainRules(started, at);
    this.versioning = startedVersioning(started);
  }

  #recordOther(event: HistoryEvent): void {
    const code = eventCode[event.type];
    if (code >= linkCodes.first && code <= linkCodes.last) {
      this.links ??= new RunLinks();
      this.links.record(event);
    } else this.#recordAttempt(event);
  }

  #recordAttempt(event: HistoryEvent): void {
    const activity = event.answers === null ? undefined : this.activities.get(event.answers);
    if (activity === undefined) return;
    if (event.type === 'ActivityAttemptStarted') activity.startedAttempt = event.attempt ?? 0;
    if (event.type === 'ActivityCancelRequested') activity.cancelRequested = true;
    if (event.type === 'ActivityAttemptFailed') {
      activity.failedAttempts++;
      // Attempts that other workers lost count in its number.
      activity.lostAttempts = Math.max(activity.lostAttempts, (event.attempt ?? 0) - activity.failedAttempts);
      activity.lastFailure = event.payload;
      activity.nextAttemptAt = event.at + (JSON.parse(event.meta ?? '{}') as { delayMs?: number }).delayMs! * 1000;
    }
  }

  /** Pending activities that this worker executes, or will, by seq. */
  activitiesHere(): number[] {
    return [...this.activities.values()].filter(({ elsewhere }) => elsewhere === undefined).map(({ seq }) => seq);
  }

  /** When the run next has something to do by itself; undefined when only a message can move it. */
  nextWake(): Micros | undefined {
    const deadline = this.chain?.deadline;
    if (this.waitsUntil > 0) return Math.min(this.waitsUntil, deadline ?? this.waitsUntil);
    // As long as its code fails, nothing else of the run can go on.
    if (this.retryTaskAt !== undefined) return Math.min(this.retryTaskAt, deadline ?? this.retryTaskAt);
    if (this.links?.hasUnsent === true) return this.at;
    let next = deadline;
    for (const due of this.timers.values()) if (next === undefined || due < next) next = due;
    for (const activity of this.activities.values()) {
      if (activity.elsewhere !== undefined) continue; // a message will tell
      if (activity.startedAttempt > activity.failedAttempts) continue; // its effect is unknown: a person decides
      if (next === undefined || activity.nextAttemptAt < next) next = activity.nextAttemptAt;
    }
    return next;
  }

  /** Before this time its first task is not due, whatever comes; 0 when it has none to wait for, or has begun. */
  get waitsUntil(): Micros {
    return this.chain === undefined || this.hash.length > 0 ? 0 : this.chain.notBefore;
  }

  takeQueue(): Input[] {
    const inputs = this.kept.length === 0 ? this.queue : [...this.kept, ...this.queue];
    this.queue = [];
    this.kept = [];
    return inputs;
  }

  /** After a failed workflow task: its inputs are in the log, but no activation has seen them. */
  carryInputs(events: readonly HistoryEvent[]): void {
    this.carried.push(...visibleInputs(events));
  }

  /** Workflow code is made again from the log before its next activation. */
  dropSandbox(): void {
    this.sandbox?.dispose();
    this.sandbox = undefined;
  }

  /** True when nothing of the run is on its way in this process. */
  get settled(): boolean {
    return this.phase === 'idle' && this.queue.length === 0;
  }
}

/** What ends the wait of a run for its first task. */
const impatient: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowTerminated',
  'WorkflowTimedOut',
  'WorkflowCancelRequested',
]);

export function endsWait(type: EventType): boolean {
  return impatient.has(type);
}

/** An input that has to wait with the run's first task. */
export function isEarly(run: LiveRun, { type }: Input, now: Micros): boolean {
  return run.waitsUntil > now && !endsWait(type);
}
