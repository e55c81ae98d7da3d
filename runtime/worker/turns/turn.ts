// One turn of a run: its inputs get their seqs, workflow code is activated with them, and the events of both are made,
// with one time and one hash. Pure but for running the code: nothing is written here.
import type { LogLine, RejectedUpdate, TaskFailure } from '../../core/log/activation.ts';
import type { DeploymentMeta } from '../../core/run/deployment.ts';
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

export interface BuiltTurn {
  readonly events: HistoryEvent[];
  /** The part of `events` that workflow code caused. */
  readonly outputs: readonly HistoryEvent[];
  readonly consumed: readonly number[];
  /** Updates that the code has not seen, to be shown to it again. */
  readonly kept: readonly Input[];
  /** The run that takes over: the code continued as new, is tried again, or has a schedule. */
  readonly continues: ContinuedRun | undefined;
  /** Updates that the code refused. */
  readonly rejected: readonly { readonly updateId: string; readonly name: string; readonly failure: Uint8Array }[];
  /** Highest mail number that had been read when the code ran: more may have been read since, but not seen by it. */
  readonly mailRead: number;
  /** The status that the last event closes the run with. */
  readonly closes: RunStatus | undefined;
  /** What is left to do once the run is closed. */
  readonly outbox: OutboxEntry | undefined;
  /** What the run's row has to have of it. */
  readonly changes: PropertiesMeta | undefined;
  readonly activated: boolean;
  readonly failure: TaskFailure | undefined;
  readonly logs: readonly LogLine[];
  readonly bytes: number;
}

/** As the store takes it. `mailRead`: the highest mail number that a closing turn may leave behind. */
export function turnToAppend({ runId, runKey }: LiveRun, built: BuiltTurn, mailRead: number = built.mailRead): Turn {
  const { events, consumed, closes, outbox, changes } = built;
  return {
    runId,
    runKey,
    events,
    consumed,
    ...(closes === undefined
      ? {}
      : { close: { status: closes, mail: mailRead, ...(outbox === undefined ? {} : { outbox }) } }),
    changes,
  };
}

/** Instead of activating: the code could not even follow the log, or it is being made again and will see them later. */
type Instead = TaskFailure | 'defer';

/** Builds the turn that appends `inputs`. The run's memory is not changed, except that workflow code has run. */
export function buildTurn(run: LiveRun, inputs: readonly Input[], now: Micros, instead?: Instead): BuiltTurn {
  try {
    return build(run, inputs, now, instead);
  } catch (error) {
    if (instead !== undefined) throw error;
    // Of what this run's code asked for no turn can be made: that is a failed task of this run, whoever is at fault.
    const message = `No turn could be made of what the code asked for: ${String(error)}`;
    return build(run, inputs, now, { code: isAssertion(error) ? error.code : 'WORKFLOW_ERROR', message });
  }
}

function build(run: LiveRun, inputs: readonly Input[], now: Micros, instead: Instead | undefined): BuiltTurn {
  const at = turnTime(run.state, now);
  let newEvents: NewEvent[] = [];
  const consumed: number[] = [];
  const kept: Input[] = [];
  const updateIds = new Set<string>();
  /** Messages that the end of the run came before: for the run that follows, if one does. */
  const unread: number[] = [];
  let visible = run.carried.length > 0;
  let ended = false;
  for (const input of inputs) {
    const { mailId, isVoid, ...columns } = input;
    const isUpdate = columns.type === 'UpdateAccepted';
    if (isUpdate && instead !== undefined) {
      kept.push(input);
      continue;
    }
    if (mailId !== undefined) (ended || isUpdate ? unread : consumed).push(mailId);
    if (isVoid === true || ended) continue;
    if (isUpdate) {
      const id = columns.correlationId ?? '';
      if (run.state.updates?.has(id) === true || updateIds.has(id)) continue; // sent once more
      updateIds.add(id);
    }
    newEvents.push({ ...columns, seq: run.state.seq + newEvents.length + 1 });
    visible ||= isVisible(columns.type);
    ended = columns.type === 'WorkflowTerminated' || columns.type === 'WorkflowTimedOut';
  }
  // Updates that the end came before: no code has accepted them.
  if (ended && updateIds.size > 0) newEvents = withoutInputs(newEvents, ({ type }) => type === 'UpdateAccepted');
  let outputs: readonly NewEvent[] = [];
  let failure = ended || instead === 'defer' ? undefined : instead;
  let logs: readonly LogLine[] = [];
  let rejected: BuiltTurn['rejected'] = [];
  let continues: ContinuedRun | undefined;
  let { versioning } = run.state;
  const activated = visible && !ended && instead === undefined;
  if (instead === 'defer') {
    if (visible && !ended) outputs = [newEvent(run.state.seq + newEvents.length + 1, 'WorkflowTaskDeferred')];
  } else if (failure !== undefined) {
    outputs = [failed(run, newEvents.length, failure)];
  } else if (activated) {
    assert(run.sandbox !== undefined, `run ${run.runId} is activated without its code`);
    const mark = run.versions?.mark(run);
    const activation = {
      at,
      inputs: [...run.carried, ...newEvents.map((input) => ({ ...input, at, hash: null }))],
      nextSeq: run.state.seq + newEvents.length + (mark === undefined ? 1 : 2),
    };
    const result = run.sandbox.activate(mark === undefined ? activation : { ...activation, deployment: mark });
    logs = result.logs;
    failure = result.ok ? undefined : result.failure;
    if (result.ok) {
      outputs = result.outputs;
      if (result.rejected !== undefined) ({ newEvents, rejected } = withoutRejected(newEvents, result.rejected));
      const happened = newEvents.length + run.carried.length > 0;
      if (!happened && outputs.length > 0) failure = changedByRejected;
      // Something must mark the end of this turn in the log, or a later replay would merge it with the next.
      else if (newEvents.length + outputs.length === 0 && happened && mark === undefined) {
        outputs = [newEvent(run.state.seq + 1, 'WorkflowTaskCompleted')];
      }
      if (happened && mark !== undefined) {
        const recorded = run.versions?.completed(mark, run) ?? mark;
        newEvents.push(versionMark(run.state.seq + newEvents.length + 1, recorded));
        versioning = { ...versioning, recorded };
      }
    }
    // Without its updates, which no log holds before the code has taken them.
    if (failure !== undefined) return { ...build(run, inputs, now, failure), activated, logs };
    const ending = outputs.at(-1);
    if (ending?.type === 'WorkflowContinuedAsNew') {
      continues = continuedRun(run, versioning, ending);
      outputs = [...outputs.slice(0, -1), { ...ending, ops: null, correlationId: continues.runId }];
    }
  }
  const last = outputs.at(-1);
  if (run.state.chain !== undefined && last !== undefined && followable.has(last.type)) {
    const followed = succeeded(run, run.state.chain, versioning, { ...last, at });
    ({ continues } = followed);
    outputs = [...outputs.slice(0, -1), followed.closing];
  }
  if (ended && run.state.chain !== undefined && newEvents.at(-1)?.type === 'WorkflowTimedOut') {
    const followed = succeeded(run, run.state.chain, versioning, { ...newEvents.at(-1)!, at });
    ({ continues } = followed);
    newEvents[newEvents.length - 1] = followed.closing;
  }
  // Nobody else has a use for them.
  if (!ended || continues === undefined) consumed.push(...unread);
  return finish(run, { at, newEvents, outputs, consumed, kept, rejected, continues, activated, failure, logs });
}

/** Ends after which another run may follow. */
const followable: ReadonlySet<EventType> = new Set<EventType>(['WorkflowCompleted', 'WorkflowFailed']);

const changedByRejected: TaskFailure = {
  code: 'WORKFLOW_ERROR',
  message:
    'An update that was rejected changed the run: the code asked for something although nothing had happened to it. ' +
    'A validator must change nothing, or a replay could not follow.',
};

/** Inputs without the updates that the code refused; what stands behind them moves up. */
function withoutRejected(
  newEvents: readonly NewEvent[],
  refused: readonly RejectedUpdate[],
): { newEvents: NewEvent[]; rejected: BuiltTurn['rejected'] } {
  const failures = new Map(refused.map(({ seq, failure }) => [seq, failure]));
  const rejected: BuiltTurn['rejected'][number][] = [];
  for (const { seq, correlationId, name } of newEvents) {
    const failure = failures.get(seq);
    if (failure !== undefined) rejected.push({ updateId: correlationId ?? '', name: name ?? '', failure });
  }
  return { newEvents: withoutInputs(newEvents, ({ seq }) => failures.has(seq)), rejected };
}

function withoutInputs(newEvents: readonly NewEvent[], isDropped: (input: NewEvent) => boolean): NewEvent[] {
  const seqs = new Map<number, number>();
  const left: NewEvent[] = [];
  const first = newEvents[0]?.seq ?? 0;
  for (const input of newEvents) {
    if (isDropped(input)) continue;
    const seq = first + left.length;
    seqs.set(input.seq, seq);
    const answers = input.answers === null ? null : (seqs.get(input.answers) ?? input.answers);
    left.push({ ...input, seq, answers });
  }
  return left;
}

/** Who has to hear that the run is closed; undefined when nobody has. */
function outboxEntry(
  run: LiveRun,
  events: readonly HistoryEvent[],
  continues: ContinuedRun | undefined,
): OutboxEntry | undefined {
  const parent = continues === undefined ? run.state.parent : undefined;
  const asked = events.some(({ type }) => startsLink.has(type));
  const links = asked || (run.state.links !== undefined && !run.state.links.isEmpty);
  return parent === undefined && !links ? undefined : { parent, links };
}

const startsLink: ReadonlySet<EventType> = new Set<EventType>([
  'ChildWorkflowInitiated',
  'ExternalSignalInitiated',
  'ExternalCancelInitiated',
]);

/** How a closing turn ends its run, for those who wait for it. */
export function outcomeOf({ events, continues }: BuiltTurn): ClosedOutcome {
  const { type, payload, reason, meta } = events.at(-1)!;
  const { retryState } = JSON.parse(meta ?? '{}') as { retryState?: string };
  const next = continues === undefined ? {} : { next: continues.runId };
  return { type, payload, reason, ...next, ...(retryState === undefined ? {} : { retryState }) };
}

/** Behind the inputs: which version works on the run from this turn on. */
function versionMark(seq: number, mark: DeploymentMeta): NewEvent {
  return newEvent(seq, 'WorkflowTaskCompleted', { meta: JSON.stringify(mark) });
}

function failed(run: LiveRun, inputs: number, failure: TaskFailure): NewEvent {
  const seq = run.state.seq + inputs + 1;
  if (failure.failsRun !== true) return taskFailed(seq, run.state.taskFailures + 1, failure);
  const error = ApplicationFailure.nonRetryable(failure.message, 'NondeterminismError');
  return newEvent(seq, 'WorkflowFailed', { payload: encodeFailure(error) });
}

/** The event that a failed workflow task leaves in the log; the turn's inputs join the next activation. */
function taskFailed(seq: number, attempt: number, failure: TaskFailure): NewEvent {
  return newEvent(seq, 'WorkflowTaskFailed', {
    name: failure.code,
    attempt: Math.min(attempt, 32_767),
    reason: failure.message,
    payload: failure.stack === undefined ? null : encodePayload(failure.stack),
  });
}

function finish(
  run: LiveRun,
  parts: {
    at: Micros;
    newEvents: readonly NewEvent[];
    outputs: readonly NewEvent[];
    consumed: readonly number[];
    kept: readonly Input[];
    rejected: BuiltTurn['rejected'];
    continues: ContinuedRun | undefined;
    activated: boolean;
    failure: TaskFailure | undefined;
    logs: readonly LogLine[];
  },
): BuiltTurn {
  const { at } = parts;
  const newEvents = [...parts.newEvents, ...parts.outputs];
  const { events, status } = sealTurn(run.state, run.unhashed, { newEvents, at }, sha256);
  let bytes = 0;
  let changes: PropertiesMeta | undefined;
  for (const columns of newEvents) {
    bytes += 120 + (columns.payload?.length ?? 0) + (columns.ops?.length ?? 0) + (columns.meta?.length ?? 0);
    if (columns.type === 'MemoUpserted' || columns.type === 'SearchAttributesUpserted') {
      changes = joinedChanges(changes ?? {}, JSON.parse(columns.meta ?? '{}') as PropertiesMeta);
    }
  }
  const closes = isClosed(status) ? status : undefined;
  return {
    events,
    outputs: events.slice(parts.newEvents.length),
    consumed: parts.consumed,
    kept: parts.kept,
    rejected: parts.rejected,
    continues: parts.continues,
    mailRead: run.mailRead,
    closes,
    outbox: closes === undefined ? undefined : outboxEntry(run, events, parts.continues),
    changes,
    activated: parts.activated,
    failure: parts.failure,
    logs: parts.logs,
    bytes,
  };
}
