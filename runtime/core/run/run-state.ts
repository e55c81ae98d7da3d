// What a run's log says about it: its head, the content of its start, and what is pending. The one fold: the owner,
// describe, forks and replay apply the events in order, from the first event or on top of a snapshot. Pure. The cost of
// an event does not depend on the length of the log, and only pending items allocate.
import {
  type FoldedActivity,
  foldFailedAttempt,
  foldFork,
  foldRecovery,
  foldStartedAttempt,
  type PendingActivity,
  scheduledActivity,
} from '../activity/pending-activity.ts';
import type { RunLink, TimerMeta } from '../log/activation.ts';
import type { EventType, HistoryEvent, Micros } from '../log/event.ts';
import { runIdAt, type LineSegment } from '../log/line.ts';
import { type RunStatus, statusAfter } from '../log/transition.ts';
import { type ChainRules, chainRules, forkedChain } from './chain.ts';
import { type DeploymentMeta, type RunVersioning, startedVersioning } from './deployment.ts';
import type { ReplayPolicy } from '../live-replay/replay-policy.ts';
import { readForkedMeta } from './forked-meta.ts';
import { type OpenChild, type OpenMessage, RunLinks } from './run-links.ts';
import { readStartMeta, type StartedMeta } from './start-meta.ts';
import { changedProperties, noProperties, type PropertiesMeta, type RunProperties } from './run-properties.ts';
import type { TaskFailureColumns } from './task-failure-info.ts';
import { lostActivities } from './worker-lost.ts';

/**
 * A turn that ends with one of these events does not show whether workflow code works, so the count of failed workflow
 * tasks stays.
 */
export const besideTasks: readonly EventType[] = [
  'ActivityAttemptStarted',
  'ActivityAttemptFailed',
  'WorkerLost',
  'WorkflowTaskDeferred',
  'WorkflowPaused',
  'WorkflowResumed',
  'RecoveryApplied',
];
const keepsTaskFailure: ReadonlySet<EventType> = new Set<EventType>([...besideTasks, 'WorkflowTaskFailed']);

const noHash = new Uint8Array(0);

/** A RunState as plain data: Maps, Sets, bytes and JSON values, which the payload codec and structuredClone keep. */
export interface RunSnapshot {
  readonly facts: RunFacts;
  readonly activities: ReadonlyMap<number, PendingActivity>;
  readonly timers: ReadonlyMap<number, Micros>;
  readonly children: ReadonlyMap<number, OpenChild>;
  readonly messages: ReadonlyMap<number, OpenMessage>;
  readonly updates: ReadonlyMap<string, number>;
  readonly versionMarkers: ReadonlySet<string>;
}

/** The fixed-size part of a RunState. */
type RunFacts = {
  readonly [K in keyof RunState as RunState[K] extends (...args: never[]) => unknown
    ? never
    : K extends keyof RunSnapshot | 'links' | 'taskFailures' | 'hasBegun'
      ? never
      : K]: RunState[K];
};

/** Since when a run is paused, by whom and why. */
export interface RunPause {
  /** Seq of the WorkflowPaused. */
  readonly seq: number;
  readonly at: Micros;
  readonly reason: string | null;
  readonly actor: string | null;
}

export class RunState {
  readonly runId: string;
  /** The ancestors' part of the history, oldest first; undefined unless the run is a fork. */
  line: readonly LineSegment[] | undefined = undefined;
  /** The run whose events behind seq `after` give their idempotency keys to the same calls of this fork. */
  keysFrom: { readonly runId: string; readonly after: number } | undefined = undefined;
  /** What a replay fork may do; undefined for every other run. */
  replay: ReplayPolicy | undefined = undefined;
  /** Undefined before the first event. */
  status: RunStatus | undefined = undefined;
  seq = 0;
  at: Micros = 0;
  /** The last hash; empty before the first turn. */
  hash: Uint8Array = noHash;
  workflowType = '';
  workflowId = '';
  namespace = '';
  taskQueue = '';
  parent: StartedMeta['parent'] = undefined;
  root: RunLink | undefined = undefined;
  /** Engine number that the run was started under. */
  engine: number | undefined = undefined;
  /** When the first task is, or was, due: the start plus its delay and back-off. */
  firstTaskAt: Micros = 0;
  /** Timeouts, retries and schedule; undefined for a run that has none of them. */
  chain: ChainRules | undefined = undefined;
  /** The run's deployment and version; undefined when it has no versioning. */
  versioning: RunVersioning | undefined = undefined;
  properties: RunProperties = noProperties;
  cancelRequested = false;
  /** Set while the run is paused. */
  paused: RunPause | undefined = undefined;
  /** Number of WorkflowPaused and WorkflowResumed events. */
  pauseEvents = 0;
  /** Seq of the last context patch; 0 before the first. */
  contextSeq = 0;
  /** Seq of the last WorkerLost; 0 before the first. */
  workerLostSeq = 0;
  /** The current workflow task failure; undefined once a later task completed. */
  taskFailure: (TaskFailureColumns & { readonly seq: number }) | undefined = undefined;
  /** By the seq of ActivityScheduled. */
  readonly activities: Map<number, PendingActivity> = new Map();
  /** Due times, by the seq of TimerStarted. */
  readonly timers: Map<number, Micros> = new Map();
  /** Pending children and messages to other runs; undefined before the first. */
  links: RunLinks | undefined = undefined;
  /**
   * Ids of accepted updates, each with the seq of its UpdateAccepted, or 0 once completed; undefined before the first.
   */
  updates: Map<string, number> | undefined = undefined;
  /** Ids of version markers that `patched` recorded; undefined before the first. */
  versionMarkers: Set<string> | undefined = undefined;

  constructor(runId: string) {
    this.runId = runId;
  }

  static of(runId: string, events: Iterable<HistoryEvent>): RunState {
    const state = new RunState(runId);
    for (const event of events) state.apply(event);
    return state;
  }

  /** The state of a snapshot, ready for later events. The state copies the parts of the snapshot that it changes. */
  static resume(snapshot: RunSnapshot): RunState {
    const state = new RunState(snapshot.facts.runId);
    Object.assign(state, snapshot.facts);
    for (const [seq, activity] of snapshot.activities) state.activities.set(seq, { ...activity });
    for (const [seq, due] of snapshot.timers) state.timers.set(seq, due);
    if (snapshot.children.size + snapshot.messages.size > 0) {
      state.links = new RunLinks();
      for (const [seq, child] of snapshot.children) state.links.children.set(seq, { ...child });
      for (const [seq, message] of snapshot.messages) state.links.messages.set(seq, message);
    }
    if (snapshot.updates.size > 0) state.updates = new Map(snapshot.updates);
    if (snapshot.versionMarkers.size > 0) state.versionMarkers = new Set(snapshot.versionMarkers);
    return state;
  }

  snapshot(): RunSnapshot {
    const { activities, timers, links, updates, versionMarkers, ...facts } = this;
    return {
      facts,
      activities: new Map([...activities].map(([seq, activity]) => [seq, { ...activity }])),
      timers: new Map(timers),
      children: new Map([...(links?.children ?? [])].map(([seq, child]) => [seq, { ...child }])),
      messages: new Map(links?.messages),
      updates: new Map(updates),
      versionMarkers: new Set(versionMarkers),
    };
  }

  /** Number of failed workflow tasks in a row. */
  get taskFailures(): number {
    return this.taskFailure === undefined ? 0 : (this.taskFailure.attempt ?? 1);
  }

  /**
   * The id of the run whose row holds the event. With the seq it identifies an activity, a child or a message, so that a
   * fork does not repeat under another name what its origin scheduled.
   */
  runIdAt(seq: number): string {
    return runIdAt(this, seq);
  }

  /** Whether a task of the run has been tried. A pause before the first task does not begin the run. */
  get hasBegun(): boolean {
    return this.hash.length > 0 && this.seq > 1 + this.pauseEvents;
  }

  /** Adds the scheduled arguments of a pending activity, when the log was read without them. */
  giveArguments(seq: number, args: Uint8Array | null): void {
    const activity = this.#activity(seq);
    if (activity !== undefined && activity.argsSeq === 0) activity.args = args;
  }

  /** Applies the next event. Events may be skipped only if they leave nothing pending. */
  apply(event: HistoryEvent): void {
    this.seq = event.seq;
    this.at = event.at;
    if (event.hash !== null) {
      this.hash = event.hash;
      if (this.taskFailure !== undefined && !keepsTaskFailure.has(event.type)) this.taskFailure = undefined;
    }
    switch (event.type) {
      case 'ActivityScheduled':
        this.activities.set(event.seq, scheduledActivity(event));
        return;
      case 'ActivityCompleted':
      case 'ActivityFailed':
      case 'ActivityTimedOut':
      case 'ActivityCancelled':
        this.activities.delete(event.answers!);
        return;
      case 'ContextPatched':
        this.contextSeq = event.seq;
        return;
      case 'TimerStarted':
        this.timers.set(event.seq, (JSON.parse(event.meta ?? '{}') as TimerMeta).due);
        return;
      case 'TimerFired':
      case 'TimerCancelled':
        this.timers.delete(event.answers!);
        return;
      case 'WorkflowStarted':
        this.#start(event);
        return;
      case 'WorkflowCompleted':
      case 'WorkflowFailed':
      case 'WorkflowCancelled':
      case 'WorkflowTerminated':
      case 'WorkflowTimedOut':
      case 'WorkflowContinuedAsNew':
      case 'WorkflowRolledBack':
      case 'WorkflowRecovered':
        this.status = closedBy(event.type);
        return;
      case 'WorkflowTaskCompleted':
        if (event.meta === null) return;
        this.versioning = { ...this.versioning, recorded: JSON.parse(event.meta) as DeploymentMeta };
        return;
      case 'WorkflowTaskFailed': {
        const { seq, name, reason, attempt, at, payload } = event;
        this.taskFailure = { seq, name, reason, attempt: attempt ?? this.taskFailures + 1, at, payload };
        return;
      }
      case 'WorkflowCancelRequested':
        this.cancelRequested = true;
        return;
      case 'UpdateAccepted':
        this.updates ??= new Map();
        if (event.correlationId !== null) this.updates.set(event.correlationId, event.seq);
        return;
      case 'UpdateCompleted':
      case 'UpdateFailed':
        if (event.correlationId !== null) this.updates?.set(event.correlationId, 0);
        return;
      case 'VersionMarked':
        this.versionMarkers ??= new Set();
        this.versionMarkers.add(event.name ?? '');
        return;
      case 'MemoUpserted':
      case 'SearchAttributesUpserted':
        this.properties = changedProperties(this.properties, JSON.parse(event.meta ?? '{}') as PropertiesMeta);
        return;
      case 'WorkerLost':
        this.#workerLost(event);
        return;
      case 'ActivityAttemptStarted':
      case 'ActivityAttemptFailed':
      case 'ActivityCancelRequested':
        this.#attempt(event);
        return;
      case 'ChildWorkflowInitiated':
      case 'ChildWorkflowStarted':
      case 'ChildWorkflowStartFailed':
      case 'ChildWorkflowCompleted':
      case 'ChildWorkflowFailed':
      case 'ChildWorkflowCancelled':
      case 'ChildWorkflowTimedOut':
      case 'ChildWorkflowTerminated':
      case 'ExternalSignalInitiated':
      case 'ExternalSignalDelivered':
      case 'ExternalSignalFailed':
      case 'ExternalCancelInitiated':
      case 'ExternalCancelDelivered':
      case 'ExternalCancelFailed':
        this.links ??= new RunLinks();
        this.links.record(event);
        return;
      case 'WorkflowPaused':
        this.status = 'paused';
        this.paused = { seq: event.seq, at: event.at, reason: event.reason, actor: event.sourceId };
        this.pauseEvents++;
        return;
      case 'WorkflowResumed':
        this.pauseEvents++;
        this.#resume();
        return;
      case 'WorkflowForked':
        this.#forked(event);
        return;
      case 'RecoveryApplied': {
        const activity = event.answers === null ? undefined : this.#activity(event.answers);
        if (activity !== undefined) foldRecovery(activity, event);
        return;
      }
      case 'PayloadErased':
      case 'CheckpointSaved':
        return;
      // A signal leaves nothing pending. `activityControls` folds the commands of clients on standalone activities.
      case 'SignalReceived':
      case 'WorkflowTaskDeferred':
      case 'ActivityPaused':
      case 'ActivityUnpaused':
      case 'ActivityOptionsUpdated':
        return;
      default:
        event.type satisfies never;
    }
  }

  #start({ name, meta, at }: HistoryEvent): void {
    const started = readStartMeta({ meta });
    this.status = 'running';
    this.workflowType = name ?? '';
    this.workflowId = started.workflowId ?? '';
    this.namespace = started.namespace ?? '';
    this.taskQueue = started.taskQueue ?? '';
    this.parent = started.parent;
    this.root = started.root;
    this.engine = started.engine;
    this.firstTaskAt = at + ((started.startDelayMs ?? 0) + (started.backoffMs ?? 0)) * 1000;
    this.chain = chainRules(started, at);
    this.versioning = startedVersioning(started);
    const { memo, searchAttributes } = started;
    if (memo !== undefined || searchAttributes !== undefined) {
      this.properties = changedProperties(noProperties, started);
    }
  }

  #forked(event: HistoryEvent): void {
    const forked = readForkedMeta(event);
    const { runId, origin, line, engine, start, keys, restarted = [], replay } = forked;
    this.keysFrom = keys === 'same' ? { runId: origin, after: event.seq - 1 } : undefined;
    for (const activity of this.activities.values()) foldFork(activity, forked, event);
    for (const seq of restarted) this.links?.restart(seq, runId);
    this.#resume();
    this.line = line;
    this.engine = engine;
    this.replay = replay;
    // A replay ends when its code ends: nothing follows it, and no time limit of the origin applies.
    this.chain = replay === undefined ? forkedChain(this.chain, start, event.at) : undefined;
    if (start === undefined) return;
    const { versioningOverride } = start;
    if (versioningOverride) this.versioning = { ...this.versioning, versioningOverride };
    this.workflowId = start.workflowId ?? this.workflowId;
    if (start.parent === null) this.parent = undefined;
    if (start.root === null) this.root = undefined;
  }

  #resume(): void {
    this.status = 'running';
    this.paused = undefined;
  }

  #workerLost(event: HistoryEvent): void {
    this.workerLostSeq = event.seq;
    for (const seq of lostActivities(event)) {
      const activity = this.#activity(seq);
      if (activity !== undefined) activity.lostAttempts++;
    }
  }

  #attempt(event: HistoryEvent): void {
    const activity = event.answers === null ? undefined : this.#activity(event.answers);
    if (activity === undefined) return;
    if (event.type === 'ActivityAttemptFailed') foldFailedAttempt(activity, event);
    else if (event.type === 'ActivityCancelRequested') activity.cancelRequested = true;
    else foldStartedAttempt(activity, event);
  }

  #activity(seq: number): FoldedActivity | undefined {
    return this.activities.get(seq);
  }
}

function closedBy(type: EventType): RunStatus {
  const status = statusAfter('running', type);
  if (status === 'refused') throw new TypeError(`${type} does not close a run`);
  return status;
}
