// Builds one turn of a run: numbers its inputs, activates workflow code with them, closes the run and names its successor,
// and seals the events with one time and one hash. Nothing is written here, and the run changes only in that its code runs.
import type { LogLine, RejectedUpdate, TaskFailure } from '../../core/log/activation.ts';
import type { DeploymentMeta, RunVersioning } from '../../core/run/deployment.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, EventType, HistoryEvent, Micros } from '../../core/log/event.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { encodePayload } from '../../core/payload/payload.ts';
import { joinedChanges, type PropertiesMeta } from '../../core/run/run-properties.ts';
import { assert, isAssertion } from '../../core/failure/runtime-error.ts';
import { isClosed, type RunStatus } from '../../core/log/transition.ts';
import { sealTurn, turnTime } from '../../core/run/seal-turn.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import type { OutboxEntry, Turn } from '../../store/log/append.ts';
import type { ContinuedRun } from '../../store/runs/continue-run.ts';
import type { ClosedOutcome } from '../../store/sql/database.ts';
import { continuedRun, succeeded } from './next-run.ts';
import type { Input } from '../../core/run/input.ts';
import { isVisible } from '../../core/log/visible.ts';
import type { LiveRun } from './live-run.ts';
import { overLimit } from './payload-limit.ts';

/** An update that the code refused. */
export interface RefusedUpdate {
  readonly updateId: string;
  readonly name: string;
  readonly failure: Uint8Array;
}

export interface BuiltTurn {
  readonly events: HistoryEvent[];
  /** The part of `events` that workflow code caused. */
  readonly outputs: readonly HistoryEvent[];
  /** Numbers of the messages that the turn takes from the inbox. */
  readonly consumed: readonly number[];
  /** Updates that the code has not seen, to be shown to it with a later turn. */
  readonly unseenUpdates: readonly Input[];
  /** The run that takes over: the code continued as new, is tried again, or has a schedule. */
  readonly continues: ContinuedRun | undefined;
  readonly refused: readonly RefusedUpdate[];
  /** Highest mail number that had been read when the code ran: more may have been read since, but not seen by it. */
  readonly mailRead: number;
  /** The status that the last event closes the run with. */
  readonly closes: RunStatus | undefined;
  /** What is left to do once the run is closed. */
  readonly outbox: OutboxEntry | undefined;
  /** Memo and search attributes that the run's row has to take over. */
  readonly changes: PropertiesMeta | undefined;
  readonly activated: boolean;
  readonly failure: TaskFailure | undefined;
  readonly logs: readonly LogLine[];
  readonly bytes: number;
}

/** As the store takes it. `mailRead`: the highest mail number that a closing turn may leave behind. */
export function turnToAppend({ runId, runKey }: LiveRun, built: BuiltTurn, mailRead: number = built.mailRead): Turn {
  const { events, consumed, closes, outbox, changes } = built;
  const turn = { runId, runKey, events, consumed, changes };
  if (closes === undefined) return turn;
  return { ...turn, close: { status: closes, mail: mailRead, ...(outbox === undefined ? {} : { outbox }) } };
}

/** How a closing turn ends its run, for those who wait for it. */
export function outcomeOf({ events, continues }: BuiltTurn): ClosedOutcome {
  const { type, payload, reason, meta } = events.at(-1)!;
  const { retryState } = JSON.parse(meta ?? '{}') as { retryState?: string };
  const next = continues === undefined ? {} : { next: continues.runId };
  return { type, payload, reason, ...next, ...(retryState === undefined ? {} : { retryState }) };
}

/** Why a turn is built without activating: the code failed, or it is being made again and will see the inputs later. */
type Instead = TaskFailure | 'defer';

/** Builds the turn that appends `inputs`. If none can be built from what the code asked for, the run's task fails. */
export function buildTurn(run: LiveRun, inputs: readonly Input[], now: Micros, instead?: Instead): BuiltTurn {
  if (instead !== undefined) return unseenTurn(run, inputs, now, instead);
  try {
    return activatedTurn(run, inputs, now);
  } catch (error) {
    const message = `No turn could be made of what the code asked for: ${String(error)}`;
    return unseenTurn(run, inputs, now, { code: isAssertion(error) ? error.code : 'WORKFLOW_ERROR', message });
  }
}

/** The turn as it may be appended: what shows only once Node has reported unhandled rejections may fail its task. */
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

/** A turn while it is built, step by step. */
class OpenTurn {
  readonly run: LiveRun;
  readonly at: Micros;
  inputs: NewEvent[] = [];
  outputs: readonly NewEvent[] = [];
  readonly consumed: number[] = [];
  /** Messages that the run did not see before its end: for the run that follows, if one does. */
  readonly unread: number[] = [];
  readonly unseenUpdates: Input[] = [];
  refused: readonly RefusedUpdate[] = [];
  versioning: RunVersioning | undefined;
  continues: ContinuedRun | undefined;
  /** An input ends the run, whatever its code says. */
  isEnded = false;
  /** There is something for the code to see. */
  isVisible: boolean;
  activated = false;
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
  const turn = new OpenTurn(run, now);
  numberInputs(turn, inputs, true);
  const failure = turn.isVisible && !turn.isEnded ? activate(turn) : undefined;
  // The failed turn has no updates: they are in the log only once the code has accepted them.
  if (failure !== undefined) return { ...unseenTurn(run, inputs, now, failure), activated: true, logs: turn.logs };
  return close(turn);
}

/** A turn whose inputs the code does not see. */
function unseenTurn(run: LiveRun, inputs: readonly Input[], now: Micros, why: Instead): BuiltTurn {
  const turn = new OpenTurn(run, now);
  numberInputs(turn, inputs, false);
  if (turn.isEnded) return close(turn);
  if (why !== 'defer') failTask(turn, why);
  else if (turn.isVisible) turn.outputs = [newEvent(nextSeq(turn), 'WorkflowTaskDeferred')];
  return close(turn);
}

function nextSeq({ run, inputs }: OpenTurn): number {
  return run.state.seq + inputs.length + 1;
}

/** Gives the inputs their seqs, and sorts their messages into consumed and unread. */
function numberInputs(turn: OpenTurn, inputs: readonly Input[], showsUpdates: boolean): void {
  const { updates } = turn.run.state;
  const accepted = new Set<string>();
  for (const input of inputs) {
    const { mailId, isVoid, ...columns } = input;
    const isUpdate = columns.type === 'UpdateAccepted';
    if (isUpdate && !showsUpdates) {
      turn.unseenUpdates.push(input);
      continue;
    }
    if (mailId !== undefined) (turn.isEnded || isUpdate ? turn.unread : turn.consumed).push(mailId);
    if (isVoid === true || turn.isEnded) continue;
    if (isUpdate) {
      const id = columns.correlationId ?? '';
      if (updates?.has(id) === true || accepted.has(id)) continue; // sent once more
      accepted.add(id);
    }
    turn.inputs.push({ ...columns, seq: nextSeq(turn) });
    turn.isVisible ||= isVisible(columns.type);
    turn.isEnded = columns.type === 'WorkflowTerminated' || columns.type === 'WorkflowTimedOut';
  }
  // The run ended before its code could accept them.
  if (turn.isEnded && accepted.size > 0) {
    turn.inputs = withoutInputs(turn.inputs, ({ type }) => type === 'UpdateAccepted');
  }
}

/** Shows the inputs to the code and takes what it asks for. Returns why that failed. */
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
  turn.logs = result.logs;
  if (!result.ok) return result.failure;
  turn.outputs = result.outputs;
  if (result.rejected !== undefined) dropRefused(turn, result.rejected);
  if (turn.inputs.length + run.inputsToReplay.length === 0) {
    return turn.outputs.length > 0 ? changedByRefused : undefined;
  }
  if (mark !== undefined) markVersion(turn, mark);
  // Something must mark the end of this turn in the log, or a later replay would merge it with the next.
  else if (turn.inputs.length + turn.outputs.length === 0) {
    turn.outputs = [newEvent(nextSeq(turn), 'WorkflowTaskCompleted')];
  }
  return undefined;
}

const changedByRefused: TaskFailure = {
  code: 'WORKFLOW_ERROR',
  message:
    'An update that was rejected changed the run: the code asked for something although nothing had happened to it. ' +
    'A validator must change nothing, or a replay could not follow.',
};

/** Writes, behind the inputs, which version works on the run from this turn on. */
function markVersion(turn: OpenTurn, mark: DeploymentMeta): void {
  const recorded = turn.run.versions?.completed(mark, turn.run) ?? mark;
  turn.inputs.push(newEvent(nextSeq(turn), 'WorkflowTaskCompleted', { meta: JSON.stringify(recorded) }));
  turn.versioning = { ...turn.versioning, recorded };
}

/** Takes out the updates that the code refused; the inputs behind them move up. */
function dropRefused(turn: OpenTurn, rejected: readonly RejectedUpdate[]): void {
  const failures = new Map(rejected.map(({ seq, failure }) => [seq, failure]));
  const refused: RefusedUpdate[] = [];
  for (const { seq, correlationId, name } of turn.inputs) {
    const failure = failures.get(seq);
    if (failure !== undefined) refused.push({ updateId: correlationId ?? '', name: name ?? '', failure });
  }
  turn.refused = refused;
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

/** Adds the event that a failed workflow task leaves in the log; the turn's inputs join the next activation. */
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

/** Names the run that follows when this turn ends the run, and seals it. */
function close(turn: OpenTurn): BuiltTurn {
  const { run, at } = turn;
  const { chain } = run.state;
  const output = turn.outputs.at(-1);
  const input = turn.inputs.at(-1);
  if (output?.type === 'WorkflowContinuedAsNew') {
    turn.continues = continuedRun(run, turn.versioning, output);
    turn.outputs = [...turn.outputs.slice(0, -1), { ...output, ops: null, correlationId: turn.continues.runId }];
  } else if (chain !== undefined && (output?.type === 'WorkflowCompleted' || output?.type === 'WorkflowFailed')) {
    const { closing, continues } = succeeded(run, chain, turn.versioning, { ...output, at });
    turn.continues = continues;
    turn.outputs = [...turn.outputs.slice(0, -1), closing];
  } else if (chain !== undefined && input?.type === 'WorkflowTimedOut') {
    const { closing, continues } = succeeded(run, chain, turn.versioning, { ...input, at });
    turn.continues = continues;
    turn.inputs[turn.inputs.length - 1] = closing;
  }
  // Nobody else has a use for them.
  if (!turn.isEnded || turn.continues === undefined) turn.consumed.push(...turn.unread);
  return seal(turn);
}

function seal(turn: OpenTurn): BuiltTurn {
  const { run, at, inputs, outputs, consumed, unseenUpdates, refused, continues, activated, failure, logs } = turn;
  const newEvents = [...inputs, ...outputs];
  const { events, status } = sealTurn(run.state, run.unhashedEvents, { newEvents, at }, sha256);
  let bytes = 0;
  let changes: PropertiesMeta | undefined;
  for (const { type, payload, ops, meta } of newEvents) {
    bytes += 120 + (payload?.length ?? 0) + (ops?.length ?? 0) + (meta?.length ?? 0);
    if (type === 'MemoUpserted' || type === 'SearchAttributesUpserted') {
      changes = joinedChanges(changes ?? {}, JSON.parse(meta ?? '{}') as PropertiesMeta);
    }
  }
  const closes = isClosed(status) ? status : undefined;
  return {
    ...{ events, consumed, unseenUpdates, refused, continues, changes, closes, activated, failure, logs, bytes },
    outputs: events.slice(inputs.length),
    mailRead: run.mailRead,
    outbox: closes === undefined ? undefined : outboxEntry(turn, events),
  };
}

/** Who has to hear that the run is closed; undefined when nobody has. */
function outboxEntry({ run, continues }: OpenTurn, events: readonly HistoryEvent[]): OutboxEntry | undefined {
  const parent = continues === undefined ? run.state.parent : undefined;
  const links = run.state.links?.isEmpty === false || events.some(({ type }) => startsLink.has(type));
  return parent === undefined && !links ? undefined : { parent, links };
}

const startsLink: ReadonlySet<EventType> = new Set<EventType>([
  'ChildWorkflowInitiated',
  'ExternalSignalInitiated',
  'ExternalCancelInitiated',
]);
