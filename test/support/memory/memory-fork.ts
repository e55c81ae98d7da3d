// Forks runs in memory: with the engine's own plan of a fork, as the transaction that makes a fork uses it.
import type { Sandbox } from '../../../runtime/sandbox/realm/sandbox.ts';
import { failurePoint } from '../../../runtime/core/recovery/failure-point.ts';
import { type AppliedToFailure, type ForkRequest, planFork } from '../../../runtime/core/recovery/fork-plan.ts';
import { type ForkVerb, forkKinds } from '../../../runtime/core/recovery/fork-verbs.ts';
import { sealFork } from '../../../runtime/core/recovery/seal-fork.ts';
import { InheritedKeys } from '../../../runtime/core/recovery/inherited-keys.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { HistoryEvent, NewEvent } from '../../../runtime/core/log/event.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { isClosed, statusAfter } from '../../../runtime/core/log/transition.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { readForkedMeta } from '../../../runtime/core/run/forked-meta.ts';
import type { OutcomeMeta } from '../../../runtime/core/activity/outcome-mail.ts';
import type { Input } from '../../../runtime/core/run/input.ts';
import { RunState } from '../../../runtime/core/run/run-state.ts';
import { sha256 } from '../../../runtime/store/codec/sha256.ts';
import { forkRunId } from '../../../runtime/store/runs/run-id.ts';
import { MemoryRun } from './memory-run.ts';

export interface ForkChoice {
  readonly verb: ForkVerb;
  /** Chooses among the points where the history can be forked. */
  readonly pick: number;
  readonly reapplies: boolean;
}

/** Forks a run. An open run whose place the fork takes gets its closing event. `sandbox`: where the fork is executed. */
export async function forked(
  sandbox: Sandbox,
  origin: MemoryRun,
  choice: ForkChoice,
  number: number,
): Promise<MemoryRun> {
  const { live, isClosed: wasClosed } = origin;
  const { point, applied, verb } = pointOf(origin, choice);
  const requestId = `request ${number}`;
  const forkId = forkRunId(requestId, live.runId, { after: live.runId, nowMs: 0 });
  const request: ForkRequest = {
    ...{ requestId, verb, runId: live.runId, point, reason: 'because', actor: 'ada', reapplies: choice.reapplies },
    ...(verb === 'fork' ? { workflowId: `fork ${number}` } : {}),
    ...(applied === undefined ? {} : { applied }),
  };
  const { closesWith } = forkKinds[verb];
  if (closesWith !== undefined && !wasClosed) {
    const meta = JSON.stringify({ ...request, forkId });
    await origin.turn([newEvent(0, closesWith, { reason: 'because', source: 'user', sourceId: 'ada', meta })]);
  }
  const prefix = origin.events.slice(0, point);
  const tail = origin.events.slice(point).filter(({ type }) => !isClosing(type));
  const earlier = [...prefix, ...tail].findLast(({ type }) => type === 'WorkflowForked');
  const plan = planFork({
    ...{ request, forkId, seed: number.toString(16).padStart(32, '3'), state: RunState.of(forkId, prefix), tail },
    origin: { runId: live.runId, line: live.state.line },
    earlier: earlier === undefined ? undefined : readForkedMeta(earlier).start,
    ...{ begunTasks: [], isOpen: !wasClosed, keepsParent: false },
  });
  const hashed = prefix.findLastIndex(({ hash }) => hash !== null);
  const hash = prefix[hashed]?.hash ?? new Uint8Array(0);
  const head = { runId: forkId, line: plan.line, seq: point, at: prefix.at(-1)!.at, hash };
  const own = sealFork({ head, unhashed: prefix.slice(hashed + 1) }, plan, origin.now + 1_000, sha256);
  const fork = new MemoryRun(sandbox, forkId, [...prefix, ...own]);
  if (forkKinds[verb].keepsKeys) fork.live.inheritedKeys = keysOf(origin, point);
  fork.live.queue.push(...plan.again.map(asMessage));
  return fork;
}

/** A retry and a skip begin before the failure that closed the run. Without one, they become a reset. */
function pointOf(
  { live, events, isClosed: wasClosed }: MemoryRun,
  { verb, pick }: ForkChoice,
): { point: number; applied?: AppliedToFailure; verb: ForkVerb } {
  const ends = events.flatMap(({ seq, hash }) => (hash === null ? [] : [seq]));
  const inherits = events[1]?.type === 'ContextPatched' && events[1].answers === 1 && events[1].hash === null;
  const points = [inherits ? 2 : 1, ...(wasClosed ? ends.slice(0, -1) : ends)];
  const chosen = points[pick % points.length]!;
  if (verb === 'restart') return { point: points[0]!, verb };
  if (verb !== 'retry' && verb !== 'skip') return { point: chosen, verb };
  try {
    const { end, failed, isActivity } = failurePoint(live.runId, events, { verb: 'retry', isForced: true });
    if (!isActivity) return { point: chosen, verb: 'reset' };
    const payload = verb === 'skip' ? { payload: Buffer.from(encodePayload('given')).toString('hex') } : {};
    return { point: points.findLast((each) => each < end)!, applied: { seq: failed, ...payload }, verb };
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'NOTHING_TO_RETRY') throw error;
    return { point: chosen, verb: 'reset' };
  }
}

function isClosing(type: HistoryEvent['type']): boolean {
  const after = statusAfter('running', type);
  return after !== 'refused' && isClosed(after);
}

function keysOf({ live, events }: MemoryRun, point: number): InheritedKeys {
  const keys = new InheritedKeys(sha256);
  for (const event of events.slice(point)) {
    if (event.type !== 'ActivityScheduled') continue;
    const payload = event.payload === null ? null : sha256(event.payload);
    keys.add({ runId: live.runId, line: live.state.line }, { ...event, payload });
  }
  return keys;
}

/** What the fork's inbox holds, as an input: a message of a person, or a result with staged patches. */
function asMessage({ type, name, ops, source, sourceId, reason, correlationId, payload, meta }: NewEvent): Input {
  if (type === 'ActivityCompleted') {
    const { seq: answers, attempt, patches: staged = [], ...facts } = JSON.parse(meta!) as OutcomeMeta;
    return { ...newEvent(0, type, { answers, attempt, payload, meta: JSON.stringify(facts) }), staged };
  }
  return newEvent(0, type, { name, ops, source, sourceId, reason, correlationId, payload });
}
