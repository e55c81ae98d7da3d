// Carries out the schedule of a plan: turns what it says into inputs that are possible in the state of the run, and plays
// whole plans.
import type { AskedPatch } from '../../../runtime/core/context/patch-trial.ts';
import { encodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { ApplicationFailure, CancelledFailure, TimeoutFailure } from '../../../runtime/core/failure/failure.ts';
import type { EventType } from '../../../runtime/core/log/event.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { isBegun, nextAttempt, type PendingActivity } from '../../../runtime/core/activity/pending-activity.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { refusalOf, type Verb, verbEvents } from '../../../runtime/core/recovery/verb.ts';
import type { Input } from '../../../runtime/core/run/input.ts';
import { workerLost } from '../../../runtime/core/run/worker-lost.ts';
import type { Sandbox } from '../../../runtime/sandbox/realm/sandbox.ts';
import type { Move, Plan, TurnPlan } from './drawn-program.ts';
import { MemoryRun } from './memory-run.ts';

/** Turns that a plan may need behind its own ones. */
const finishTurnsMax = 60;

/** Plays a plan. Returns the runs of its chain, each with its whole history. */
export function played(sandbox: Sandbox, plan: Plan): Promise<MemoryRun[]> {
  return playedFrom(MemoryRun.start(sandbox, plan.program), plan);
}

/** Continues a run with other turns. Returns the runs of the chain from this one on. */
export async function playedFrom(
  first: MemoryRun,
  { turns, finishes }: Pick<Plan, 'turns' | 'finishes'>,
): Promise<MemoryRun[]> {
  const chain: MemoryRun[] = [];
  const left = [...turns];
  for (let run: MemoryRun | undefined = first; run !== undefined; run = run.successor(chain.length + 1)) {
    chain.push(run);
    await play(run, left, finishes);
  }
  return chain;
}

/** Takes turns from the front of the list until it is empty or the run is closed. */
async function play(run: MemoryRun, turns: TurnPlan[], finishes: boolean): Promise<void> {
  await run.turn([]);
  while (!run.isClosed && turns.length > 0) await playTurn(run, turns.shift()!);
  if (finishes) await finish(run);
}

/** Continues a run with other turns, to its end. */
export function continued(run: MemoryRun, turns: readonly TurnPlan[]): Promise<void> {
  return play(run, [...turns], true);
}

async function playTurn(run: MemoryRun, { moves, mode }: TurnPlan): Promise<void> {
  const taken = new Set<number>();
  const inputs = moves.flatMap((move) => inputsOf(run, move, taken));
  if (mode === 'fail') await run.turn(inputs, { code: 'WORKFLOW_ERROR', message: 'a bug', stack: 'at code' });
  else if (mode === 'defer') await run.turn(inputs, 'defer');
  else await run.turn(inputs);
  if (run.isClosed) return;
  if (mode === 'reload') run.drop();
  const lost = [...run.state.activities.keys()];
  if (mode !== 'lost' || lost.length === 0) return;
  run.drop();
  await run.turn([workerLost(1, lost)], 'defer');
}

/** Answers every call, until the run closes or waits for nothing. */
async function finish(run: MemoryRun): Promise<void> {
  const happens = { value: 1, op: { op: 'append', path: '/list', value: 0 } } as const;
  for (let i = 0; i < finishTurnsMax && !run.isClosed; i++) {
    const taken = new Set<number>();
    const kinds = run.state.paused === undefined ? (['answer', 'answer'] as const) : (['resume'] as const);
    const inputs = kinds.flatMap((kind) => inputsOf(run, { kind, pick: i, ...happens }, taken));
    await run.turn(inputs.length > 0 ? inputs : inputsOf(run, { kind: 'signal', pick: i, ...happens }, taken));
  }
}

/** `taken`: seqs that the turn answers already. */
function inputsOf(run: MemoryRun, move: Move, taken: Set<number>): Input[] {
  const { state } = run;
  const { kind, value, op, pick } = move;
  const id = `${kind} ${state.seq}.${pick}.${value}`;
  switch (kind) {
    case 'answer':
      return answerOne(run, move, taken);
    case 'signal':
      return [newEvent(0, 'SignalReceived', { name: 'poke', payload: encodePayload([{ value, op }]) })];
    case 'update':
      return [
        newEvent(0, 'UpdateAccepted', { name: 'edit', correlationId: id, payload: encodePayload([{ value, op }]) }),
      ];
    case 'patch':
      return [
        newEvent(0, 'ContextPatched', {
          ...{ ops: JSON.stringify([op]), source: 'user', sourceId: 'ada', reason: 'fix', correlationId: id },
        }),
      ];
    case 'cancel':
      return state.cancelRequested ? [] : [newEvent(0, 'WorkflowCancelRequested', { reason: 'enough' })];
    case 'pause':
      return verb(run, { type: 'WorkflowPaused', correlationId: id });
    case 'resume':
      return verb(run, { type: 'WorkflowResumed', correlationId: id });
    default:
      return activityMove(run, move, taken, id);
  }
}

function activityMove(run: MemoryRun, { kind, pick, value }: Move, taken: Set<number>, id: string): Input[] {
  const activities = [...run.state.activities.values()].filter(({ seq }) => !taken.has(seq));
  const activity = activities[pick % Math.max(1, activities.length)];
  if (activity === undefined) return [];
  const answers = activity.seq;
  if (kind === 'attempt') {
    const begins = value % 3 === 0 && !isBegun(activity);
    return [begins ? begunAttempt(activity) : failedAttempt(activity, value)];
  }
  const name = kind === 'retry' ? 'retry' : 'skip';
  // Every other retry has new arguments.
  const payload = name === 'skip' ? encodePayload(value) : value % 2 === 0 ? encodePayload([value]) : null;
  const inputs = verb(run, { type: 'RecoveryApplied', name, answers, payload, correlationId: id });
  if (inputs.length > 0) taken.add(answers);
  return inputs;
}

function begunAttempt(activity: PendingActivity): Input {
  const meta = JSON.stringify({ effect: 'unsafe' });
  return newEvent(0, 'ActivityAttemptStarted', { answers: activity.seq, attempt: nextAttempt(activity), meta });
}

function failedAttempt(activity: PendingActivity, value: number): Input {
  return newEvent(0, 'ActivityAttemptFailed', {
    ...{ answers: activity.seq, attempt: nextAttempt(activity), reason: 'no luck' },
    ...{ payload: encodeFailure(new Error('no luck')), meta: JSON.stringify({ delayMs: value }) },
  });
}

function verb(run: MemoryRun, given: Partial<Verb> & Pick<Verb, 'type'>): Input[] {
  const columns = { name: null, payload: null, answers: null, meta: null, correlationId: null, ...given };
  const asked: Verb = { ...columns, sourceId: 'ada', reason: 'because' };
  return refusalOf(run.state, asked) === undefined ? verbEvents(asked) : [];
}

function answerOne(run: MemoryRun, move: Move, taken: Set<number>): Input[] {
  const { activities, timers, links } = run.state;
  // A result that waits for the code is the only one of its activity.
  for (const { answers, staged } of run.live.unseenInputs) if (staged !== undefined) taken.add(answers ?? 0);
  const open = [
    ...activities.keys(),
    ...timers.keys(),
    ...(links?.children.keys() ?? []),
    ...(links?.messages.keys() ?? []),
  ].filter((seq) => !taken.has(seq));
  const seq = open[move.pick % Math.max(1, open.length)];
  if (seq === undefined) return [];
  taken.add(seq);
  const activity = activities.get(seq);
  if (activity !== undefined) return [activityOutcome(activity, move)];
  const due = timers.get(seq);
  if (due !== undefined) {
    run.now = Math.max(run.now, due);
    return [newEvent(0, 'TimerFired', { answers: seq })];
  }
  const child = links?.children.get(seq);
  return [child === undefined ? messageOutcome(run, seq, move) : childEvent(seq, child.isStarted, move)];
}

function activityOutcome(activity: PendingActivity, { value, op }: Move): Input {
  const closed = { answers: activity.seq, attempt: nextAttempt(activity) };
  const failed = (type: EventType, error: Error): Input =>
    newEvent(0, type, { ...closed, payload: encodeFailure(error), meta: '{"identity":"w"}' });
  if (activity.cancelRequested && value % 2 === 1) return failed('ActivityCancelled', new CancelledFailure('stopped'));
  if (value % 11 === 5) return failed('ActivityFailed', ApplicationFailure.nonRetryable('no'));
  if (value % 11 === 6) return failed('ActivityTimedOut', new TimeoutFailure('late', undefined, 'START_TO_CLOSE'));
  const completed = newEvent(0, 'ActivityCompleted', { ...closed, payload: encodePayload(value) });
  if (value % 11 < 7) return completed;
  const patch: AskedPatch = { ops: JSON.stringify([op]), source: 'tool', sourceId: 'act', reason: null };
  return { ...completed, staged: value % 2 === 0 ? [patch] : [patch, patch] };
}

function childEvent(answers: number, isStarted: boolean, { value }: Move): Input {
  const columns = { answers, correlationId: `01890000-0000-7000-9000-${String(answers).padStart(12, '0')}` };
  if (!isStarted && value % 3 > 0) return newEvent(0, 'ChildWorkflowStarted', columns);
  if (!isStarted) return newEvent(0, 'ChildWorkflowStartFailed', { ...columns, reason: 'WORKFLOW_ALREADY_EXISTS' });
  const failure = encodeFailure(ApplicationFailure.nonRetryable('the child failed'));
  if (value % 4 === 2) return newEvent(0, 'ChildWorkflowFailed', { ...columns, payload: failure });
  if (value % 4 === 3) return newEvent(0, 'ChildWorkflowCancelled', columns);
  return newEvent(0, 'ChildWorkflowCompleted', { ...columns, payload: encodePayload(value) });
}

function messageOutcome(run: MemoryRun, answers: number, { value }: Move): Input {
  const isSignal = run.state.links?.messages.get(answers)?.kind === 'signal';
  if (value % 3 === 2) return newEvent(0, isSignal ? 'ExternalSignalFailed' : 'ExternalCancelFailed', { answers });
  return newEvent(0, isSignal ? 'ExternalSignalDelivered' : 'ExternalCancelDelivered', { answers });
}
