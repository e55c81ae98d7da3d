// Builds one turn of a run: numbers its inputs, activates workflow code with them, closes the run and names its
// successor, and seals the events with one time and one hash. Writes nothing, and changes the run only by running its
// code.
import type { LogLine, RejectedUpdate, TaskFailure } from '../../core/log/activation.ts';
import type { DeploymentMeta, RunVersioning } from '../../core/run/deployment.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { PatchVerdict } from '../../core/context/patch-trial.ts';
import type { NewEvent, HistoryEvent, Micros } from '../../core/log/event.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { encodePayload } from '../../core/payload/payload.ts';
import { assert, isAssertion } from '../../core/failure/runtime-error.ts';
import { isClosed, type RunStatus } from '../../core/log/transition.ts';
import { sealTurn, turnTime } from '../../core/run/seal-turn.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import type { OutboxEntry, RowChanges, Turn } from '../../store/log/append.ts';
import type { ContinuedRun } from '../../store/runs/continue-run.ts';
import type { ClosedOutcome } from '../../store/sql/database.ts';
import { continuedRun, succeeded } from './next-run.ts';
import type { ForkRequest } from '../../core/recovery/fork-plan.ts';
import { endsRun, type Input } from '../../core/run/input.ts';
import { isVisible, notActivated } from '../../core/log/visible.ts';
import { failureOf, isPausedAfter, VerbCheck, withLast } from '../../core/recovery/verb-inputs.ts';
import { updateKey, verbKey } from '../../store/messages/updates.ts';
import type { LiveRun } from './live-run.ts';
import { outboxEntry } from './outbox-entry.ts';
import { overLimit } from './payload-limit.ts';
import { rowChanges } from './row-changes.ts';
import {
  conflictEvent,
  conflictLog,
  migrationEvent,
  needsCode,
  refusal,
  stagedEvents,
  TurnPatches,
} from './turn-patches.ts';

/** An update or a patch of a person that the code rejected, or a verb that the run's state does not allow. */
export interface RefusedMessage {
  /** The key that the sender waits for. */
  readonly key: string;
  readonly name: string;
  readonly failure: Uint8Array;
}

export interface BuiltTurn {
  readonly events: HistoryEvent[];
  /** The part of `events` that workflow code caused. */
  readonly outputs: readonly HistoryEvent[];
  /** Ids of the messages that the turn takes from the inbox. */
  readonly consumed: readonly number[];
  /** Inputs that need the code's consent and have not got it; a later turn shows them to the code. */
  readonly unseenInputs: readonly Input[];
  /** The successor: the run continued as new, is retried, or has a schedule. */
  readonly continues: ContinuedRun | undefined;
  /** The fork that takes the place of the run. */
  readonly forks: HeldFork | undefined;
  readonly refused: readonly RefusedMessage[];
  /**
   * Id of the last message that was read before the code ran. Messages read since then have not been seen by the code.
   */
  readonly mailRead: number;
  /** The status of the run after the turn's last event, if that event closes the run. */
  readonly closes: RunStatus | undefined;
  /** The outbox row of a run that closes. */
  readonly outbox: OutboxEntry | undefined;
  /** Changes to be written to the run's row. */
  readonly changes: RowChanges | undefined;
  readonly activated: boolean;
  /** The code sees the inputs later: the run is paused, or its code is being rebuilt. */
  readonly isDeferred: boolean;
  readonly failure: TaskFailure | undefined;
  readonly logs: readonly LogLine[];
  readonly bytes: number;
}

/** A fork that a message asked for. The owner of the run makes it in the transaction that closes the run. */
export type HeldFork = ForkRequest & { readonly forkId: string };

/** The turn in the store's format. `mailRead`: id of the last message that a closing turn may leave unread. */
export function turnToAppend({ runId, runKey }: LiveRun, built: BuiltTurn, mailRead: number = built.mailRead): Turn {
  const { events, consumed, closes, outbox, changes } = built;
  const turn = { runId, runKey, events, consumed, changes };
  if (closes === undefined) return turn;
  return { ...turn, close: { status: closes, mail: mailRead, ...(outbox === undefined ? {} : { outbox }) } };
}

/** The outcome that a closing turn gives the run, for callers that wait for it. */
export function outcomeOf({ events, continues, forks }: BuiltTurn): ClosedOutcome {
  const { type, payload, reason, meta } = events.at(-1)!;
  const { retryState } = JSON.parse(meta ?? '{}') as { retryState?: string };
  const successor = continues?.runId ?? forks?.forkId;
  const next = successor === undefined ? {} : { next: successor };
  return { type, payload, reason, ...next, ...(retryState === undefined ? {} : { retryState }) };
}

/** Why a turn is built without an activation: the code failed, or it is being rebuilt and receives the inputs later. */
type Instead = TaskFailure | 'defer';

/** Builds the turn that appends `inputs`. If the code's commands cannot be made into a turn, the run's task fails. */
export function buildTurn(run: LiveRun, given: readonly Input[], now: Micros, instead?: Instead): BuiltTurn {
  const inputs = withLast(run.state, given, needsCode);
  if (isPausedAfter(run.state, inputs)) return unseenTurn(run, inputs, now, 'defer');
  if (instead !== undefined) return unseenTurn(run, inputs, now, instead);
  try {
    return activatedTurn(run, inputs, now);
  } catch (error) {
    const message = `No turn could be made of what the code asked for: ${String(error)}`;
    return unseenTurn(run, inputs, now, { code: isAssertion(error) ? error.code : 'WORKFLOW_ERROR', message });
  }
}

/**
 * Checks a turn before its append. An unhandled rejection, which Node reports only later, may still fail the turn's
 * task.
 */
export function checkTurn(
  run: LiveRun,
  inputs: readonly Input[],
  built: BuiltTurn,
  now: Micros,
  maxPayloadBytes: number,
): BuiltTurn {
  if (!built.activated || built.failure !== undefined) return built;
  const failure = run.sandbox?.rejection ?? overLimit(built.outputs, maxPayloadBytes, run.state.workflowType);
  return failure === undefined ? built : unseenTurn(run, inputs, now, failure);
}

/** A turn under construction. */
class OpenTurn {
  readonly run: LiveRun;
  readonly at: Micros;
  inputs: NewEvent[] = [];
  outputs: readonly NewEvent[] = [];
  readonly consumed: number[] = [];
  /** Ids of messages that the run did not read before its end; the successor receives them, if there is one. */
  readonly unread: number[] = [];
  readonly unseenInputs: Input[] = [];
  readonly refused: RefusedMessage[] = [];
  versioning: RunVersioning | undefined;
  continues: ContinuedRun | undefined;
  forks: HeldFork | undefined;
  /** True if an input ends the run, whatever its code says. */
  isEnded = false;
  /** True if the code has something to see. */
  isVisible: boolean;
  activated = false;
  isDeferred = false;
  failure: TaskFailure | undefined;
  logs: readonly LogLine[] = [];

  constructor(run: LiveRun, now: Micros) {
    this.run = run;
    this.at = turnTime(run.state, now);
    this.versioning = run.state.versioning;
    this.isVisible = run.inputsToReplay.length > 0;
  }
}

function activatedTurn(run: LiveRun, inputs: readonly Input[], now: Micros): BuiltTurn {
  const turn = new OpenTurn(run, run.replay?.turnTime(inputs, now) ?? now);
  const patches = turn.isVisible || inputs.some(isSeen) ? TurnPatches.of(run, inputs) : undefined;
  if (patches?.failure === undefined) numberInputs(turn, inputs, patches ?? 'none');
  const failure = patches?.failure ?? (turn.isVisible && !turn.isEnded ? activate(turn) : undefined);
  // The failed turn contains no updates and patches, because these are in the log only once the code has accepted them.
  if (failure !== undefined) return { ...unseenTurn(run, inputs, now, failure), activated: true, logs: turn.logs };
  return close(turn);
}

/** Builds a turn whose inputs the code does not see. */
function unseenTurn(run: LiveRun, inputs: readonly Input[], now: Micros, why: Instead): BuiltTurn {
  const turn = new OpenTurn(run, run.replay?.turnTime(inputs, now) ?? now);
  numberInputs(turn, inputs, 'unseen');
  if (turn.isEnded) return close(turn);
  if (why !== 'defer') failTask(turn, why);
  else {
    turn.isDeferred = true;
    // Earlier inputs that this process does not know may wait for the code too, so every such turn says so.
    if (endsActivation(turn.inputs.at(-1))) turn.outputs = [newEvent(nextSeq(turn), 'WorkflowTaskDeferred')];
  }
  return close(turn);
}

function nextSeq({ run, inputs }: OpenTurn): number {
  return run.state.seq + inputs.length + 1;
}

function isSeen({ type, isVoid }: Input): boolean {
  return isVoid !== true && isVisible(type);
}

/**
 * Gives the inputs their seqs, and sorts their messages into consumed and unread. `patches`: the code's answer about
 * patches; `unseen` when the code does not see the turn, so that inputs which need its consent wait.
 */
function numberInputs(turn: OpenTurn, inputs: readonly Input[], patches: TurnPatches | 'none' | 'unseen'): void {
  const { runId, state } = turn.run;
  const { updates } = state;
  const accepted = new Set<string>();
  if (typeof patches !== 'string' && patches.migration !== undefined) {
    turn.inputs.push(migrationEvent(nextSeq(turn), turn.run.state.seq, patches.migration));
    turn.isVisible = true;
  }
  const verbs = new VerbCheck(state, patches === 'unseen' ? inputs.filter((input) => !needsCode(input)) : inputs);
  for (const input of inputs) {
    const { mailId, isVoid, staged, refusal: refused, ...columns } = input;
    const isUpdate = columns.type === 'UpdateAccepted';
    if (patches === 'unseen' && needsCode(input)) {
      turn.unseenInputs.push(input);
      continue;
    }
    if (mailId !== undefined) (turn.isEnded || isUpdate ? turn.unread : turn.consumed).push(mailId);
    if (refused !== undefined) refuse(turn, verbKey(runId, columns.correlationId ?? ''), columns, refused);
    if (isVoid === true || turn.isEnded) continue;
    const problem = verbs.problem(input);
    if (problem !== undefined) {
      if (problem !== 'drop') refuse(turn, verbKey(runId, columns.correlationId ?? ''), columns, failureOf(problem));
      continue;
    }
    if (isUpdate) {
      const id = columns.correlationId ?? '';
      if (updates?.has(id) === true || accepted.has(id)) continue; // a duplicate
      accepted.add(id);
    }
    const verdict = typeof patches === 'string' ? undefined : patches.verdict(input);
    if (verdict !== undefined) takePatches(turn, input, verdict);
    else turn.inputs.push({ ...columns, seq: nextSeq(turn) });
    if (verdict?.ok === false && staged === undefined) continue;
    turn.isVisible ||= isVisible(columns.type);
    turn.isEnded = endsRun(columns.type);
  }
  // The run ended before its code could accept these updates.
  if (turn.isEnded && accepted.size > 0) {
    turn.inputs = withoutInputs(turn.inputs, ({ type }) => type === 'UpdateAccepted');
  }
}

/** Adds the events of a patch, or of an activity with staged patches. */
function takePatches(turn: OpenTurn, input: Input, verdict: PatchVerdict): void {
  const { mailId: _mail, isVoid: _void, staged, refusal: _refusal, ...columns } = input;
  const { state, runId } = turn.run;
  if (staged === undefined) {
    if (verdict.ok) turn.inputs.push({ ...columns, seq: nextSeq(turn), answers: state.seq, ops: verdict.ops[0]! });
    else {
      const key = updateKey(runId, columns.correlationId ?? '');
      turn.refused.push({ key, name: 'patchContext', failure: refusal(verdict) });
    }
  } else if (verdict.ok) {
    const seq = nextSeq(turn);
    turn.inputs.push({ ...columns, seq }, ...stagedEvents(seq, staged, verdict.ops));
  } else {
    const name = state.activities.get(columns.answers ?? 0)?.type ?? null;
    turn.inputs.push({ ...conflictEvent({ ...columns, name }, staged, verdict), seq: nextSeq(turn) });
    turn.logs = [...turn.logs, conflictLog(name, verdict)];
  }
}

function refuse(turn: OpenTurn, key: string, { name, type }: Pick<Input, 'name' | 'type'>, failure: Uint8Array): void {
  turn.refused.push({ key, name: name ?? type, failure });
}

/** Shows the inputs to the code and takes its commands. Returns why the activation failed. */
function activate(turn: OpenTurn): TaskFailure | undefined {
  const { run, at } = turn;
  assert(run.sandbox !== undefined, `run ${run.runId} is activated without its code`);
  const mark = run.versions?.mark(run);
  const activation = {
    at,
    inputs: [...run.inputsToReplay, ...turn.inputs.map((input) => ({ ...input, at, hash: null }))],
    nextSeq: nextSeq(turn) + (mark === undefined ? 0 : 1),
  };
  const result = run.sandbox.activate(mark === undefined ? activation : { ...activation, deployment: mark });
  turn.activated = true;
  turn.logs = turn.logs.length === 0 ? result.logs : [...turn.logs, ...result.logs];
  if (!result.ok) return result.failure;
  const { inheritedKeys } = run;
  turn.outputs =
    inheritedKeys === undefined ? result.outputs : result.outputs.map((event) => inheritedKeys.keyed(event));
  if (result.rejected !== undefined) dropRefused(turn, result.rejected);
  if (turn.inputs.length + run.inputsToReplay.length === 0) {
    return turn.outputs.length > 0 ? changedByRefused : undefined;
  }
  if (mark !== undefined) markVersion(turn, mark);
  // An event must mark the end of this turn in the log. Otherwise a later replay would merge the turn with the next
  // one.
  else if (turn.outputs.length === 0 && !endsActivation(turn.inputs.at(-1))) {
    turn.outputs = [newEvent(nextSeq(turn), 'WorkflowTaskCompleted')];
  }
  return undefined;
}

/** Whether a replay would activate the code in a turn that ends with this event. */
function endsActivation(last: NewEvent | undefined): boolean {
  return last !== undefined && !notActivated.has(last.type);
}

const changedByRefused: TaskFailure = {
  code: 'WORKFLOW_ERROR',
  message:
    'An update that was rejected changed the run: the code asked for something although nothing had happened to it. ' +
    'A validator must change nothing, or a replay could not follow.',
};

/** Records, after the inputs, which version works on the run from this turn on. */
function markVersion(turn: OpenTurn, mark: DeploymentMeta): void {
  const recorded = turn.run.versions?.completed(mark, turn.run) ?? mark;
  turn.inputs.push(newEvent(nextSeq(turn), 'WorkflowTaskCompleted', { meta: JSON.stringify(recorded) }));
  turn.versioning = { ...turn.versioning, recorded };
}

/** Removes updates that the code rejected, and renumbers the inputs after them. */
function dropRefused(turn: OpenTurn, rejected: readonly RejectedUpdate[]): void {
  const failures = new Map(rejected.map(({ seq, failure }) => [seq, failure]));
  for (const { seq, correlationId, ...columns } of turn.inputs) {
    const failure = failures.get(seq);
    if (failure !== undefined) refuse(turn, updateKey(turn.run.runId, correlationId ?? ''), columns, failure);
  }
  turn.inputs = withoutInputs(turn.inputs, ({ seq }) => failures.has(seq));
}

function withoutInputs(inputs: readonly NewEvent[], isDropped: (input: NewEvent) => boolean): NewEvent[] {
  const seqs = new Map<number, number>();
  const left: NewEvent[] = [];
  const first = inputs[0]?.seq ?? 0;
  for (const input of inputs) {
    if (isDropped(input)) continue;
    const seq = first + left.length;
    seqs.set(input.seq, seq);
    const answers = input.answers === null ? null : (seqs.get(input.answers) ?? input.answers);
    left.push({ ...input, seq, answers });
  }
  return left;
}

/** Adds the event of a failed workflow task. The next activation receives the turn's inputs. */
function failTask(turn: OpenTurn, failure: TaskFailure): void {
  turn.failure = failure;
  const { code, message, stack, failsRun } = failure;
  if (failsRun === true) {
    const payload = encodeFailure(ApplicationFailure.nonRetryable(message, 'NondeterminismError'));
    turn.outputs = [newEvent(nextSeq(turn), 'WorkflowFailed', { payload })];
    return;
  }
  const columns = {
    name: code,
    attempt: Math.min(turn.run.state.taskFailures + 1, 32_767),
    reason: message,
    payload: stack === undefined ? null : encodePayload(stack),
  };
  turn.outputs = [newEvent(nextSeq(turn), 'WorkflowTaskFailed', columns)];
}

/** Names the successor if this turn ends the run, and seals the turn. */
function close(turn: OpenTurn): BuiltTurn {
  const { run, at } = turn;
  const { chain } = run.state;
  const output = turn.outputs.at(-1);
  const input = turn.inputs.at(-1);
  if (output?.type === 'WorkflowContinuedAsNew') {
    turn.continues = continuedRun(run, turn.versioning, output);
    turn.outputs = turn.outputs.with(-1, { ...output, ops: null, correlationId: turn.continues?.runId ?? null });
  } else if (chain !== undefined && (output?.type === 'WorkflowCompleted' || output?.type === 'WorkflowFailed')) {
    const { closing, continues } = succeeded(run, chain, turn.versioning, { ...output, at });
    turn.continues = continues;
    turn.outputs = [...turn.outputs.slice(0, -1), closing];
  } else if (chain !== undefined && input?.type === 'WorkflowTimedOut') {
    const { closing, continues } = succeeded(run, chain, turn.versioning, { ...input, at });
    turn.continues = continues;
    turn.inputs[turn.inputs.length - 1] = closing;
  }
  if (input?.type === 'WorkflowRolledBack' || input?.type === 'WorkflowRecovered') {
    turn.forks = JSON.parse(input.meta ?? '{}') as HeldFork;
    turn.inputs[turn.inputs.length - 1] = { ...input, meta: null, correlationId: turn.forks.forkId };
  }
  // Without a successor, nobody will read these messages.
  if (!turn.isEnded || (turn.continues === undefined && turn.forks === undefined)) turn.consumed.push(...turn.unread);
  return seal(turn);
}

function seal(turn: OpenTurn): BuiltTurn {
  const { run, at, inputs, outputs, consumed, unseenInputs, refused, continues, forks } = turn;
  const { activated, isDeferred, failure, logs } = turn;
  const newEvents = [...inputs, ...outputs];
  const { events, status } = sealTurn(run.state, run.unhashedEvents, { newEvents, at }, sha256);
  const changes = rowChanges(newEvents, run.state.status, status);
  let bytes = 0;
  for (const { payload, ops, meta } of newEvents) {
    bytes += 120 + (payload?.length ?? 0) + (ops?.length ?? 0) + (meta?.length ?? 0);
  }
  const closes = isClosed(status) ? status : undefined;
  return {
    ...{ events, consumed, unseenInputs, refused, continues, forks, changes, closes, activated, isDeferred },
    ...{ failure, logs, bytes },
    outputs: events.slice(inputs.length),
    mailRead: run.mailRead,
    outbox:
      closes === undefined ? undefined : outboxEntry(run.state, events, continues !== undefined || forks !== undefined),
  };
}
