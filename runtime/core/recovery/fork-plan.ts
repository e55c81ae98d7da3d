// Plans a fork: what its first two turns hold, given the state at the point and the abandoned part behind it (the
// tail). What was pending at the point and has a result gets that result. Everything else is done again. Pure.
import { nextAttempt } from '../activity/pending-activity.ts';
import type { AskedPatch } from '../context/patch-trial.ts';
import type { AskedReplay } from '../live-replay/replay-policy.ts';
import { forkEngineNumber } from '../log/engine-number.ts';
import type { EventType, HistoryEvent, NewEvent } from '../log/event.ts';
import type { LogOwner, LineSegment } from '../log/line.ts';
import { lineUpTo, runIdAt, wholeLine } from '../log/line.ts';
import { newEvent } from '../log/new-event.ts';
import type { ForkedMeta, StartChanges } from '../run/forked-meta.ts';
import { RunState } from '../run/run-state.ts';
import { type ForkVerb, forkKinds } from './fork-verbs.ts';

/** What a person asks for. Plain data: it also travels as a message to the owner of a run. */
export interface ForkRequest {
  /** A repeated request with this id returns the fork that is there. */
  readonly requestId: string;
  readonly verb: ForkVerb;
  /** The run to fork. */
  readonly runId: string;
  /** The id of the fork, when the owner of a run makes it. */
  readonly forkId?: string;
  /** The last event that the fork keeps. */
  readonly point: number;
  /** Only for verb `fork`: the workflow id of the fork. */
  readonly workflowId?: string;
  readonly reason: string | null;
  readonly actor: string | null;
  /** Apply signals and updates behind the point again. */
  readonly reapplies: boolean;
  /** The new execution deadline, µs since 1970. */
  readonly executionDeadline?: number;
  /** For `retry` and `skip`: what a person does about the failed activity. */
  readonly applied?: AppliedToFailure;
  /** Types of `unsafe` activities that may be repeated although they have begun behind the point. */
  readonly allowEffects?: readonly string[];
  /** Only for verb `replay`: what the fork may do. */
  readonly replay?: AskedReplay;
}

export interface AppliedToFailure {
  /** Seq of the activity. */
  readonly seq: number;
  /** New arguments of a retry, or the result of a skip, encoded, in hex. */
  readonly payload?: string;
}

export interface ForkGround {
  readonly request: ForkRequest;
  readonly forkId: string;
  readonly seed: string;
  /** The origin's state at the point, folded under the id of the fork. */
  readonly state: RunState;
  /** The origin's line. */
  readonly origin: LogOwner;
  /** Changes of the start as they count for the origin, wherever the point is: they say who the origin is. */
  readonly earlier: StartChanges | undefined;
  /** The origin's events behind the point, in order. */
  readonly tail: readonly HistoryEvent[];
  /** For a copy: the ends of children that are pending at the point, as far as they have ended by now. */
  readonly childEnds?: readonly NewEvent[];
  /** `unsafe` activities that have begun on another worker. */
  readonly begunTasks: readonly number[];
  /** The origin was open when it was forked. */
  readonly isOpen: boolean;
  /** The fork reports to the origin's parent. */
  readonly keepsParent: boolean;
}

export interface ForkPlan {
  readonly line: readonly LineSegment[];
  readonly forked: NewEvent;
  /** The person's intervention, in the same turn. */
  readonly applied: readonly NewEvent[];
  /** Inputs of the second turn; empty when there is nothing to carry over. */
  readonly carried: readonly NewEvent[];
  /** What needs the code's consent: messages and staged results, which the fork receives once more, in the log's order. */
  readonly again: readonly NewEvent[];
  /** Pending `unsafe` activities whose effect is unknown. */
  readonly begun: readonly number[];
}

/** Events that give a pending item its result, whatever follows. */
const results: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityCompleted',
  'ChildWorkflowStarted',
  'ChildWorkflowCompleted',
  'ExternalSignalDelivered',
  'ExternalCancelDelivered',
]);
/** Other answers of other runs: a fork that takes the origin's place asks again, any other fork keeps them. */
const failedLinks: ReadonlySet<EventType> = new Set<EventType>([
  'ChildWorkflowStartFailed',
  'ChildWorkflowFailed',
  'ChildWorkflowCancelled',
  'ChildWorkflowTimedOut',
  'ChildWorkflowTerminated',
  'ExternalSignalFailed',
  'ExternalCancelFailed',
]);

interface Carried {
  readonly carried: NewEvent[];
  /** Seqs of the pending items that have a result now. */
  readonly answered: ReadonlySet<number>;
  readonly again: readonly NewEvent[];
}

/** Pending children that a fork in place of the origin starts once more, because they did not complete. */
function restartedChildren({ request, state, tail }: ForkGround): ReadonlySet<number> {
  if (request.verb === 'fork') return new Set();
  const failed = tail.flatMap(({ type, answers }) => (answers !== null && failedLinks.has(type) ? [answers] : []));
  return new Set(failed.filter((seq) => state.links?.children.has(seq) === true));
}

/** What the second turn carries over from the tail, in its order. */
function carriedInputs({ request, state, origin, tail }: ForkGround, restarted: ReadonlySet<number>): Carried {
  const carried: NewEvent[] = [];
  const answered = new Set<number>();
  const again: NewEvent[] = [];
  const patches = Map.groupBy(tail, ({ type, answers }) => (type === 'ContextPatched' ? answers : null));
  for (const event of tail) {
    const { type, answers } = event;
    if (answers !== null && isSkipped(event, request)) {
      carried.push(...skipEvents(request, answers));
      answered.add(answers);
    } else if (answers !== null && isPending(state, answers) && isCarried(event, request.verb)) {
      // The child that started has ended, and another one starts.
      if (restarted.has(answers)) continue;
      const staged = (patches.get(event.seq) ?? []).filter((patch) => isStaged(patch, event));
      // Nothing can be staged before the code uses its context, so the activity is attempted again.
      if (staged.length > 0 && state.contextSeq === 0) continue;
      // The document at the point may differ, so the code must agree to what an activity staged.
      if (staged.length > 0) again.push(stagedResult(event, staged));
      else carried.push(carriedEvent(event));
      if (type !== 'ChildWorkflowStarted') answered.add(answers);
    } else if (request.reapplies && isMessage(event)) {
      const message = { ...carriedEvent(event), meta: fromMeta(event, origin) };
      // The code must agree to an update and to a patch, so these wait in the inbox, and so does what came after them.
      if (type === 'SignalReceived' && again.length === 0) carried.push(message);
      else again.push(message);
    }
  }
  return { carried, answered, again };
}

/** Patches that an activity staged follow its result in the same turn. Any other patch answers the end of a turn. */
function isStaged({ correlationId }: HistoryEvent, result: HistoryEvent): boolean {
  return result.hash === null && correlationId === null;
}

/** The result of an activity as a message, with the patches that the activity staged. */
function stagedResult(result: HistoryEvent, staged: readonly HistoryEvent[]): NewEvent {
  const { answers, attempt, meta } = result;
  const patches = staged.map(({ ops, source, sourceId, reason }): AskedPatch => {
    return { ops: ops ?? '[]', source: source ?? 'tool', sourceId: sourceId ?? '', reason };
  });
  const outcome = { ...(JSON.parse(meta ?? '{}') as object), seq: answers, attempt, patches };
  return { ...carriedEvent(result), answers: null, correlationId: null, meta: JSON.stringify(outcome) };
}

/** What people sent to the code. Their patches carry the id of a request; those that activities stage do not. */
function isMessage({ type, correlationId }: HistoryEvent): boolean {
  return (
    type === 'SignalReceived' || type === 'UpdateAccepted' || (type === 'ContextPatched' && correlationId !== null)
  );
}

export function planFork(ground: ForkGround): ForkPlan {
  const { request, forkId, state, origin } = ground;
  const line = lineUpTo(wholeLine(origin), request.point);
  const restarted = restartedChildren(ground);
  const { carried, answered: carriedSeqs, again } = carriedInputs(ground, restarted);
  if (request.verb === 'fork') {
    carried.push(...deliveredByOrigin(state, carriedSeqs));
    // The origin may not have heard of these ends yet.
    carried.push(...(ground.childEnds ?? []).filter(({ answers }) => answers !== null && !carriedSeqs.has(answers)));
  }
  const pending = pendingPart(ground, carriedSeqs);
  const meta: ForkedMeta = {
    runId: forkId,
    origin: origin.runId,
    line,
    engine: forkEngineNumber,
    ...startPart(ground),
    ...pending,
    ...(restarted.size === 0 ? {} : { restarted: [...restarted] }),
    ...(forkKinds[request.verb].keepsKeys ? { keys: 'same' as const } : {}),
  };
  const forked = newEvent(request.point + 1, 'WorkflowForked', {
    name: request.verb,
    reason: request.reason,
    source: request.reason === null ? null : 'user',
    sourceId: request.actor,
    correlationId: request.requestId,
    meta: JSON.stringify(meta),
  });
  return { line, forked, applied: retryEvents(request), carried, again, begun: pending.begun ?? [] };
}

/** Whether a given result takes the place of this failure. */
function isSkipped({ type, answers }: HistoryEvent, { verb, applied }: ForkRequest): boolean {
  return verb === 'skip' && answers === applied?.seq && (type === 'ActivityFailed' || type === 'ActivityTimedOut');
}

function skipEvents(request: ForkRequest, seq: number): NewEvent[] {
  const who = { reason: request.reason, sourceId: request.actor };
  const source = request.reason === null ? null : ('user' as const);
  return [
    newEvent(0, 'RecoveryApplied', { name: 'skip', answers: seq, ...who, correlationId: request.requestId }),
    newEvent(0, 'ActivityCompleted', { answers: seq, payload: bytesOf(request.applied?.payload), source, ...who }),
  ];
}

/** The failure count and the time limits of a retried activity start again. */
function retryEvents({ verb, applied, reason, actor, requestId }: ForkRequest): NewEvent[] {
  if (verb !== 'retry' || applied === undefined) return [];
  const columns = { name: 'retry', answers: applied.seq, reason, sourceId: actor, correlationId: requestId };
  return [newEvent(0, 'RecoveryApplied', { ...columns, payload: bytesOf(applied.payload) })];
}

function bytesOf(hex: string | undefined): Uint8Array | null {
  if (hex === undefined) return null;
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function isPending({ activities, links }: RunState, seq: number): boolean {
  return activities.has(seq) || links?.children.has(seq) === true || links?.messages.has(seq) === true;
}

function isCarried({ type }: HistoryEvent, verb: ForkVerb): boolean {
  return results.has(type) || (verb === 'fork' && failedLinks.has(type));
}

/** The event as an input of the fork. The turn that appends it gives it a seq, a time and a hash. */
function carriedEvent({ at: _at, hash: _hash, ...event }: HistoryEvent): NewEvent {
  return { ...event, seq: 0 };
}

/** Where a message that is applied again was received first. */
function fromMeta({ seq, meta }: HistoryEvent, origin: LogOwner): string {
  return JSON.stringify({ from: { runId: runIdAt(origin, seq), seq }, ...(JSON.parse(meta ?? '{}') as object) });
}

/** The origin sends its messages itself, so a fork beside it counts them as delivered. */
function deliveredByOrigin({ links }: RunState, answered: ReadonlySet<number>): NewEvent[] {
  const open = [...(links?.messages.values() ?? [])].filter(({ seq }) => !answered.has(seq));
  return open.map(({ seq, kind }) =>
    newEvent(0, kind === 'signal' ? 'ExternalSignalDelivered' : 'ExternalCancelDelivered', { answers: seq }),
  );
}

function startPart({ request, seed, earlier, keepsParent, forkId }: ForkGround): Pick<ForkedMeta, 'start'> {
  const { verb, workflowId, executionDeadline } = request;
  const changes: StartChanges = {
    ...earlier,
    ...(forkKinds[verb].changesSeed ? { seed } : {}),
    ...(executionDeadline === undefined ? {} : { executionDeadline }),
    ...(keepsParent ? {} : { parent: null, root: null }),
    // A fork under another workflow id begins a chain of its own.
    ...(workflowId === undefined ? {} : { workflowId, firstRunId: forkId, continuedFrom: null }),
  };
  return Object.keys(changes).length === 0 ? {} : { start: changes };
}

/** What becomes of the activities that are pending at the point and get no result. */
function pendingPart(
  { request, state, tail, begunTasks, isOpen }: ForkGround,
  carried: ReadonlySet<number>,
): Pick<ForkedMeta, 'attempts' | 'begun' | 'held'> {
  const head = RunState.resume(state.snapshot());
  const ended = new Map<number, number>();
  const begun = new Set<number>();
  for (const { type, answers, attempt } of tail) {
    if (answers === null || carried.has(answers) || !state.activities.has(answers)) continue;
    ended.set(answers, Math.max(ended.get(answers) ?? 0, attempt ?? 0));
    if (type === 'ActivityAttemptStarted') begun.add(answers);
  }
  for (const event of tail) head.apply(event);
  const attempts: Record<string, number> = {};
  const held: number[] = [];
  for (const seq of begunTasks) if (state.activities.has(seq) && !carried.has(seq)) begun.add(seq);
  for (const { seq } of state.activities.values()) {
    if (carried.has(seq)) continue;
    const atHead = head.activities.get(seq);
    // An attempt may be under way at the head.
    attempts[seq] = Math.max(ended.get(seq) ?? 0, atHead === undefined ? 0 : nextAttempt(atHead));
    // Whoever held the origin's activity from executing may still do so.
    const isOfOrigin = isOpen && request.verb === 'fork' && atHead !== undefined;
    if (isOfOrigin || atHead?.isHeld === true) held.push(seq);
  }
  return {
    ...(Object.keys(attempts).length === 0 ? {} : { attempts }),
    ...(begun.size === 0 ? {} : { begun: [...begun] }),
    ...(held.length === 0 ? {} : { held }),
  };
}
