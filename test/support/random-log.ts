// Random legal logs of one run with every event type, for tests of code that folds logs.
import fc from 'fast-check';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { type NewEvent, type EventType, eventCode, type HistoryEvent, isOutput } from '../../runtime/core/log/event.ts';
import { closesRun } from '../../runtime/core/log/transition.ts';
import { sealTurn } from '../../runtime/core/run/seal-turn.ts';
import { sha256 } from '../../runtime/store/codec/sha256.ts';

/** Seqs of the items that are pending in the log so far. The event that closes an item removes its seq. */
class Open {
  readonly activities: number[] = [];
  readonly timers: number[] = [];
  readonly children: number[] = [];
  readonly signals: number[] = [];
  readonly cancels: number[] = [];
  readonly updates: { seq: number; id: string }[] = [];
}

interface Choice {
  /** The seq of the new event. The first event has 1. */
  readonly seq: number;
  /** Selects one of the pending items. */
  readonly which: number;
  /** Varies all other values of the event. */
  readonly n: number;
}

type Columns = Parameters<typeof newEvent>[2];
/** Makes the columns of an event. Undefined if no pending item could be answered by it. */
type Make = (open: Open, choice: Choice) => Columns | undefined;

const json = JSON.stringify;
const bytes = (n: number): Uint8Array => new Uint8Array([n % 256, 1]);

/** An event that answers one of `seqs` and leaves that item pending. */
function about(seqs: readonly number[], { which }: Choice, columns: Columns = {}): Columns | undefined {
  return seqs.length === 0 ? undefined : { answers: seqs[which % seqs.length]!, ...columns };
}

/** An event that answers one of `seqs` and closes that item. */
function ending(seqs: number[], choice: Choice, columns: Columns = {}): Columns | undefined {
  if (seqs.length === 0) return undefined;
  return { answers: seqs.splice(choice.which % seqs.length, 1)[0]!, ...columns };
}

function opening(seqs: number[], { seq }: Choice, columns: Columns): Columns {
  seqs.push(seq);
  return columns;
}

function answerUpdate(open: Open, { which, n }: Choice): Columns | undefined {
  const [update] = open.updates.splice(which % Math.max(1, open.updates.length), 1);
  return update && { answers: update.seq, correlationId: update.id, payload: bytes(n) };
}

const closedActivity: Make = (open, choice) =>
  ending(open.activities, choice, { attempt: 1, payload: bytes(choice.n) });
const closedChild: Make = (open, choice) => ending(open.children, choice, { payload: bytes(choice.n) });
const plain: Make = () => ({});
const sent: Make = (_, { n }) => ({ reason: `reason ${n}`, payload: bytes(n) });

const makers: { readonly [T in EventType]: Make } = {
  WorkflowStarted: (_, { n }) => ({
    name: 'demo',
    payload: bytes(n),
    meta: json({
      workflowId: 'w',
      namespace: 'default',
      taskQueue: 'test',
      engine: 1,
      ...(n % 2 === 0 ? { runTimeoutMs: 1000 + n, retry: { attempts: 3 } } : {}),
      ...(n % 3 === 0 ? { parent: { workflowId: 'p', runId: 'r', seq: 2 } } : {}),
      ...(n % 5 === 0 ? { memo: { n } } : {}),
      ...(n % 7 === 0 ? { inheritedVersion: { deploymentName: 'd', buildId: 'b' } } : {}),
    }),
  }),
  WorkflowCompleted: sent,
  WorkflowFailed: sent,
  WorkflowCancelled: sent,
  WorkflowTerminated: sent,
  WorkflowTimedOut: plain,
  WorkflowContinuedAsNew: sent,
  WorkflowCancelRequested: sent,
  WorkflowTaskFailed: (_, { n }) => ({
    name: 'WORKFLOW_ERROR',
    attempt: 1 + (n % 9),
    reason: `task ${n}`,
    ...(n % 2 === 0 ? { payload: bytes(n) } : {}),
  }),
  WorkflowTaskCompleted: (_, { n }) =>
    n % 2 === 0 ? {} : { meta: json({ version: { deploymentName: 'd', buildId: `b${n % 4}` }, behavior: 'PINNED' }) },
  WorkflowTaskDeferred: plain,
  WorkflowPaused: sent,
  WorkflowResumed: sent,
  WorkflowForked: plain,
  WorkflowRolledBack: sent,
  WorkflowRecovered: sent,
  RecoveryApplied: ({ activities }, choice) =>
    about(activities, choice, {
      name: choice.n % 3 === 0 ? 'skip' : 'retry',
      ...{ source: 'user', sourceId: `actor ${choice.n}`, reason: 'again', correlationId: `request ${choice.n}` },
      ...(choice.n % 2 === 0 ? { payload: bytes(choice.n) } : {}),
    }),
  PayloadErased: plain,
  CheckpointSaved: (_, { n }) => ({ name: `checkpoint ${n}` }),
  WorkerLost: ({ activities }, { n }) => ({
    meta: json({ epoch: n, activities: activities.slice(n % 3) }),
    reason: 'lost',
  }),
  ActivityScheduled: ({ activities }, choice) =>
    opening(activities, choice, {
      name: `type ${choice.n % 3}`,
      payload: bytes(choice.n),
      meta: json({ id: String(choice.n), stc: 1000, ...(choice.n % 4 === 0 ? { local: true } : {}) }),
    }),
  ActivityAttemptStarted: ({ activities }, choice) => about(activities, choice, { attempt: 1 + (choice.n % 3) }),
  ActivityAttemptFailed: ({ activities }, choice) =>
    about(activities, choice, {
      attempt: 1 + (choice.n % 4),
      reason: `failed ${choice.n}`,
      payload: bytes(choice.n),
      meta: json({ delayMs: choice.n % 50 }),
    }),
  ActivityCancelRequested: ({ activities }, choice) => about(activities, choice),
  ActivityCompleted: closedActivity,
  ActivityFailed: closedActivity,
  ActivityTimedOut: closedActivity,
  ActivityCancelled: closedActivity,
  TimerStarted: ({ timers }, choice) => opening(timers, choice, { meta: json({ due: choice.n * 1000 }) }),
  TimerFired: ({ timers }, choice) => ending(timers, choice),
  TimerCancelled: ({ timers }, choice) => ending(timers, choice),
  SignalReceived: (_, { n }) => ({ name: `s${n % 2}`, payload: bytes(n) }),
  UpdateAccepted: ({ updates }, { seq, n }) => {
    const id = `u${seq}`;
    updates.push({ seq, id });
    return { name: `u${n % 2}`, correlationId: id, payload: bytes(n) };
  },
  UpdateCompleted: answerUpdate,
  UpdateFailed: answerUpdate,
  ContextPatched: (_, { n }) => ({
    source: 'agent',
    sourceId: 'a',
    ops: json([{ op: 'add', path: '/n', value: n }]),
  }),
  VersionMarked: (_, { n }) => ({ name: `change ${n % 4}` }),
  ChildWorkflowInitiated: ({ children }, choice) =>
    opening(children, choice, { name: 'child', correlationId: `c${choice.n}`, meta: json({ parentClose: 'ABANDON' }) }),
  ChildWorkflowStarted: ({ children }, choice) => about(children, choice, { correlationId: 'run' }),
  ChildWorkflowStartFailed: closedChild,
  ChildWorkflowCompleted: closedChild,
  ChildWorkflowFailed: closedChild,
  ChildWorkflowCancelled: closedChild,
  ChildWorkflowTimedOut: closedChild,
  ChildWorkflowTerminated: closedChild,
  ExternalSignalInitiated: ({ signals }, choice) =>
    opening(signals, choice, { name: 's', correlationId: 'other', payload: bytes(choice.n) }),
  ExternalSignalDelivered: ({ signals }, choice) => ending(signals, choice),
  ExternalSignalFailed: ({ signals }, choice) => ending(signals, choice, { reason: 'gone' }),
  ExternalCancelInitiated: ({ cancels }, choice) =>
    opening(cancels, choice, { correlationId: 'other', meta: json({ runId: 'r' }) }),
  ExternalCancelDelivered: ({ cancels }, choice) => ending(cancels, choice),
  ExternalCancelFailed: ({ cancels }, choice) => ending(cancels, choice, { reason: 'gone' }),
  SearchAttributesUpserted: (_, { n }) => ({
    meta: json({
      searchAttributes: { A: n % 3 === 0 ? null : n },
      searchAttributeTypes: { A: n % 3 === 0 ? null : 'INT' },
    }),
  }),
  MemoUpserted: (_, { n }) => ({ meta: json({ memo: { [`m${n % 3}`]: n % 4 === 0 ? null : n } }) }),
  ActivityPaused: ({ activities }, choice) => about(activities, choice, { reason: 'wait', sourceId: 'me' }),
  ActivityUnpaused: ({ activities }, choice) => about(activities, choice, { meta: json({ dueAt: choice.n }) }),
  ActivityOptionsUpdated: ({ activities }, choice) =>
    about(activities, choice, { meta: json({ options: { id: 'x' } }) }),
};

const types = Object.keys(eventCode) as EventType[];
/** A turn may hold any event, so the run must not be paused. A fork needs an origin. */
const unusual: readonly EventType[] = ['WorkflowStarted', 'WorkflowPaused', 'WorkflowResumed', 'WorkflowForked'];
const usual = types.filter((type) => !unusual.includes(type) && type !== 'WorkflowTaskFailed' && !closesRun(type));
const inputTypes = usual.filter((type) => !isOutput({ type, answers: null }) && type !== 'WorkflowTaskDeferred');
const outputTypes = usual.filter((type) => isOutput({ type, answers: null }));
const endings: readonly (EventType | undefined)[] = [
  ...Array<undefined>(6).fill(undefined),
  'WorkflowTaskFailed',
  'WorkflowTaskDeferred',
  'WorkflowTaskCompleted',
];

interface TurnPlan {
  readonly inputs: readonly (readonly [number, number, number])[];
  readonly outputs: readonly (readonly [number, number, number])[];
  readonly end: EventType | undefined;
}

const numbers = fc.tuple(fc.nat(999), fc.nat(99), fc.nat(299));
const turnPlan: fc.Arbitrary<TurnPlan> = fc.record({
  inputs: fc.array(numbers, { maxLength: 4, size: 'max' }),
  outputs: fc.array(numbers, { maxLength: 4, size: 'max' }),
  end: fc.constantFrom(...endings),
});

/** Random logs of at most `turnsMax` turns. Their hash chain is computed for `runId`. */
export function randomLog(runId: string, turnsMax: number): fc.Arbitrary<HistoryEvent[]> {
  const plan = fc.record({
    start: fc.nat(299),
    turns: fc.array(turnPlan, { maxLength: turnsMax, size: 'max' }),
    close: fc.option(fc.constantFrom(...types.filter(closesRun)), { nil: undefined, freq: 4 }),
  });
  return plan.map(({ start, turns, close }) => {
    const open = new Open();
    const at = 1_700_000_000_000_000;
    const started = { ...newEvent(1, 'WorkflowStarted', makers.WorkflowStarted(open, { seq: 1, which: 0, n: start })) };
    const log: HistoryEvent[] = [{ ...started, at, hash: null }];
    for (const { inputs, outputs, end } of turns) append(log, open, runId, { inputs, outputs, end });
    if (close !== undefined) append(log, open, runId, { inputs: [], outputs: [], end: close });
    return log;
  });
}

function append(log: HistoryEvent[], open: Open, runId: string, { inputs, outputs, end }: TurnPlan): void {
  const newEvents: NewEvent[] = [];
  const add = (type: EventType, which: number, n: number): void => {
    const seq = log.length + newEvents.length + 1;
    const columns = makers[type](open, { seq, which, n });
    if (columns !== undefined) newEvents.push(newEvent(seq, type, columns));
  };
  for (const [type, which, n] of inputs) add(inputTypes[type % inputTypes.length]!, which, n);
  const fails = end === 'WorkflowTaskFailed' || end === 'WorkflowTaskDeferred' || end === 'WorkflowTaskCompleted';
  if (!fails) for (const [type, which, n] of outputs) add(outputTypes[type % outputTypes.length]!, which, n);
  if (end !== undefined) add(end, 0, log.length);
  if (newEvents.length === 0) return;
  const last = log.findLast(({ hash }) => hash !== null);
  const head = { runId, seq: log.length, at: log.at(-1)!.at, hash: last?.hash ?? new Uint8Array(0) };
  const unhashed = log.slice(log.findLastIndex(({ hash }) => hash !== null) + 1);
  log.push(...sealTurn(head, unhashed, { newEvents, at: head.at + 1000 }, sha256).events);
}
