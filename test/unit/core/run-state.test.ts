// The fold of a run's log: what each event type changes, and that a snapshot can be resumed at any event.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { type EventType, eventCode, type HistoryEvent } from '../../../runtime/core/log/event.ts';
import { isBegun, nextAttempt } from '../../../runtime/core/activity/pending-activity.ts';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';
import { type RunSnapshot, RunState } from '../../../runtime/core/run/run-state.ts';
import { randomLog } from '../../support/random-log.ts';

const runId = '01a00000-0000-7000-8000-000000000001';
const hash = new Uint8Array([7]);

type Columns = Parameters<typeof newEvent>[2];

function event(seq: number, type: EventType, columns: Columns = {}): HistoryEvent {
  return { ...newEvent(seq, type, columns), at: seq * 1000, hash: null };
}

const started = event(1, 'WorkflowStarted', {
  name: 'order',
  meta: JSON.stringify({ workflowId: 'w', namespace: 'n', taskQueue: 'q', engine: 1, memo: { a: 1 } }),
});

/** A run with something of every kind pending. */
const opened: readonly HistoryEvent[] = [
  started,
  event(2, 'ActivityScheduled', { name: 'pay', payload: new Uint8Array([1]), meta: '{"id":"a","stc":1000}' }),
  event(3, 'TimerStarted', { meta: '{"due":9000}' }),
  event(4, 'ChildWorkflowInitiated', { name: 'child', correlationId: 'c' }),
  event(5, 'ExternalSignalInitiated', { name: 's', correlationId: 'other' }),
  event(6, 'ExternalCancelInitiated', { correlationId: 'other' }),
  event(7, 'UpdateAccepted', { name: 'u', correlationId: 'id' }),
];

const attempt = { answers: 2, attempt: 1 };
const ofChild = { answers: 4 };
const ofUpdate = { answers: 7, correlationId: 'id' };

type Part = Exclude<keyof RunSnapshot, 'facts'> | keyof RunSnapshot['facts'];

/** Columns of the event, and the parts of the state that it changes, except seq and at, which always change. */
const effects: { readonly [T in EventType]: readonly [Columns, ...Part[]] } = {
  WorkflowStarted: [
    { name: 'other', meta: '{"workflowId":"x","runTimeoutMs":5,"engine":2}' },
    ...(['workflowType', 'workflowId', 'namespace', 'taskQueue', 'engine', 'firstTaskAt', 'chain'] as const),
  ],
  WorkflowCompleted: [{}, 'status'],
  WorkflowFailed: [{}, 'status'],
  WorkflowCancelled: [{}, 'status'],
  WorkflowTerminated: [{}, 'status'],
  WorkflowTimedOut: [{}, 'status'],
  WorkflowContinuedAsNew: [{}, 'status'],
  WorkflowCancelRequested: [{}, 'cancelRequested'],
  WorkflowTaskFailed: [{ name: 'WORKFLOW_ERROR', attempt: 1 }, 'taskFailure'],
  WorkflowTaskCompleted: [{ meta: '{"version":{"deploymentName":"d","buildId":"b"}}' }, 'versioning'],
  WorkflowTaskDeferred: [{}],
  WorkflowPaused: [{}, 'status', 'paused', 'pauseEvents'],
  WorkflowResumed: [{}, 'pauseEvents'],
  WorkflowForked: [
    {
      meta: '{"runId":"f","origin":"r","line":[{"runId":"r","first":1,"last":7}],"engine":3,"attempts":{"2":4},"restarted":[4]}',
    },
    ...(['line', 'engine', 'activities', 'children'] as const),
  ],
  WorkflowRolledBack: [{}, 'status'],
  WorkflowRecovered: [{}, 'status'],
  RecoveryApplied: [{ answers: 2, name: 'retry' }, 'activities'],
  PayloadErased: [{}],
  CheckpointSaved: [{ name: 'half' }],
  WorkerLost: [{ meta: '{"epoch":1,"activities":[2]}' }, 'workerLostSeq', 'activities'],
  ActivityScheduled: [{ name: 'ship', meta: '{"id":"b"}' }, 'activities'],
  ActivityAttemptStarted: [attempt, 'activities'],
  ActivityAttemptFailed: [{ ...attempt, meta: '{"delayMs":5}' }, 'activities'],
  ActivityCancelRequested: [{ answers: 2 }, 'activities'],
  ActivityCompleted: [attempt, 'activities'],
  ActivityFailed: [attempt, 'activities'],
  ActivityTimedOut: [attempt, 'activities'],
  ActivityCancelled: [attempt, 'activities'],
  TimerStarted: [{ meta: '{"due":5}' }, 'timers'],
  TimerFired: [{ answers: 3 }, 'timers'],
  TimerCancelled: [{ answers: 3 }, 'timers'],
  SignalReceived: [{ name: 's' }],
  UpdateAccepted: [{ name: 'u', correlationId: 'another' }, 'updates'],
  UpdateCompleted: [ofUpdate, 'updates'],
  UpdateFailed: [ofUpdate, 'updates'],
  ContextPatched: [{ ops: '[]', source: 'agent' }, 'contextSeq'],
  VersionMarked: [{ name: 'change' }, 'versionMarkers'],
  ChildWorkflowInitiated: [{ name: 'child', correlationId: 'd' }, 'children'],
  ChildWorkflowStarted: [ofChild, 'children'],
  ChildWorkflowStartFailed: [ofChild, 'children'],
  ChildWorkflowCompleted: [ofChild, 'children'],
  ChildWorkflowFailed: [ofChild, 'children'],
  ChildWorkflowCancelled: [ofChild, 'children'],
  ChildWorkflowTimedOut: [ofChild, 'children'],
  ChildWorkflowTerminated: [ofChild, 'children'],
  ExternalSignalInitiated: [{ name: 's', correlationId: 'other' }, 'messages'],
  ExternalSignalDelivered: [{ answers: 5 }, 'messages'],
  ExternalSignalFailed: [{ answers: 5 }, 'messages'],
  ExternalCancelInitiated: [{ correlationId: 'other' }, 'messages'],
  ExternalCancelDelivered: [{ answers: 6 }, 'messages'],
  ExternalCancelFailed: [{ answers: 6 }, 'messages'],
  SearchAttributesUpserted: [{ meta: '{"searchAttributes":{"A":1},"searchAttributeTypes":{"A":"INT"}}' }, 'properties'],
  MemoUpserted: [{ meta: '{"memo":{"a":null}}' }, 'properties'],
  ActivityPaused: [{ answers: 2 }],
  ActivityUnpaused: [{ answers: 2 }],
  ActivityOptionsUpdated: [{ answers: 2, meta: '{"options":{"id":"a"}}' }],
};

function partsOf({ facts, ...maps }: RunSnapshot): Map<string, unknown> {
  return new Map<string, unknown>([...Object.entries(facts), ...Object.entries(maps)]);
}

function equal(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(a, b);
    return true;
  } catch (error) {
    assert.ok(error instanceof assert.AssertionError);
    return false;
  }
}

for (const type of Object.keys(eventCode) as EventType[]) {
  const [columns, ...parts] = effects[type];
  test(`${type} changes ${parts.length === 0 ? 'nothing but the head' : parts.join(', ')}`, () => {
    const state = RunState.of(runId, opened);
    const before = partsOf(state.snapshot());
    state.apply({ ...event(8, type, columns), hash });
    const after = partsOf(state.snapshot());
    const changed = [...after.keys()].filter((part) => !equal(before.get(part), after.get(part)));
    assert.deepEqual(new Set(changed), new Set(['seq', 'at', 'hash', ...parts]));
    assert.deepEqual([state.seq, state.at, state.hash], [8, 8000, hash]);
  });
}

test("a start sets the run's identity and memo", () => {
  const state = RunState.of(runId, [started]);
  assert.deepEqual(
    [state.status, state.workflowType, state.workflowId, state.namespace, state.taskQueue, state.engine, state.chain],
    ['running', 'order', 'w', 'n', 'q', 1, undefined],
  );
  assert.deepEqual(state.properties.memo, { a: 1 });
});

test('a pending activity counts failed and lost attempts, and knows when its next attempt is due', () => {
  const state = RunState.of(runId, [
    ...opened,
    event(8, 'ActivityAttemptStarted', { answers: 2, attempt: 1 }),
    event(9, 'ActivityAttemptFailed', { answers: 2, attempt: 3, reason: 'no', payload: hash, meta: '{"delayMs":5}' }),
    event(10, 'WorkerLost', { meta: '{"epoch":1,"activities":[2,99]}' }),
    event(11, 'ActivityCancelRequested', { answers: 2 }),
  ]);
  assert.deepEqual(state.activities.get(2), {
    seq: 2,
    type: 'pay',
    options: { id: 'a', stc: 1000 },
    scheduledAt: 2000,
    limitsFrom: 2000,
    args: new Uint8Array([1]),
    argsSeq: 0,
    failedAttempts: 1,
    earlierAttempts: 0,
    lostAttempts: 3,
    startedAttempt: 1,
    startedSeq: 8,
    nextAttemptAt: 14_000,
    lastFailure: hash,
    lastFailureMessage: 'no',
    cancelRequested: true,
    isHeld: false,
    effect: null,
    skippable: false,
    recovery: null,
  });
});

test('a retry by a person starts counts and limits again, attempt numbers go on, and the last arguments count', () => {
  const who = { source: 'user', sourceId: 'ann', reason: 'slower', answers: 2 } as const;
  const retried = (seq: number, payload: Uint8Array | null): HistoryEvent =>
    event(seq, 'RecoveryApplied', { ...who, name: 'retry', payload });
  const state = RunState.of(runId, [
    ...opened,
    event(8, 'ActivityAttemptFailed', {
      answers: 2,
      attempt: 1,
      meta: '{"delayMs":5,"effect":"none","skippable":true}',
    }),
    event(9, 'ActivityAttemptFailed', { answers: 2, attempt: 3, meta: '{"delayMs":5}' }),
    retried(10, new Uint8Array([7])),
  ]);
  const activity = state.activities.get(2)!;
  assert.deepEqual([activity.failedAttempts, nextAttempt(activity)], [0, 4]);
  assert.deepEqual([activity.limitsFrom, activity.nextAttemptAt, activity.args], [10_000, 10_000, new Uint8Array([7])]);
  assert.deepEqual([activity.effect, activity.skippable], [null, false], 'the last attempt declares');
  state.apply(event(11, 'ActivityAttemptStarted', { answers: 2, attempt: 4, meta: '{"effect":"unsafe"}' }));
  assert.ok(isBegun(state.activities.get(2)!));
  state.apply(retried(12, null));
  assert.ok(!isBegun(state.activities.get(2)!));
  assert.equal(nextAttempt(state.activities.get(2)!), 5);
  state.giveArguments(2, new Uint8Array([1]));
  const { args, argsSeq, recovery } = state.activities.get(2)!;
  assert.deepEqual([args, argsSeq], [new Uint8Array([7]), 10]);
  assert.deepEqual(recovery, { seq: 12, at: 12_000, name: 'retry', reason: 'slower', actor: 'ann' });
});

test('a failed workflow task stays current until a task completes, even across attempts and lost workers', () => {
  const failed = { ...event(8, 'WorkflowTaskFailed', { name: 'WORKFLOW_ERROR', attempt: 2, reason: 'no' }), hash };
  const state = RunState.of(runId, [...opened, failed]);
  assert.equal(state.taskFailures, 2);
  for (const [i, type] of (['ActivityAttemptFailed', 'WorkerLost', 'WorkflowTaskDeferred'] as const).entries()) {
    state.apply({ ...event(9 + i, type, type === 'ActivityAttemptFailed' ? attempt : {}), hash });
    assert.equal(state.taskFailures, 2);
  }
  state.apply(event(12, 'SignalReceived'));
  assert.equal(state.taskFailures, 2, 'the turn has not ended');
  state.apply({ ...event(13, 'TimerStarted', { meta: '{"due":1}' }), hash });
  assert.deepEqual([state.taskFailures, state.taskFailure], [0, undefined]);
});

test('an update is pending until its outcome, and its id stays known', () => {
  const state = RunState.of(runId, opened);
  assert.deepEqual(state.updates, new Map([['id', 7]]));
  state.apply(event(8, 'UpdateCompleted', ofUpdate));
  assert.deepEqual(state.updates, new Map([['id', 0]]));
});

test('a snapshot survives the codec, is not changed by later events, and resumes to the fold of the whole log', () => {
  fc.assert(
    fc.property(randomLog(runId, 20), fc.nat(), (log, at) => {
      const cut = at % (log.length + 1);
      const state = RunState.of(runId, log.slice(0, cut));
      const snapshot = state.snapshot();
      const stored = encodePayload(snapshot);
      const resumed = RunState.resume(decodePayload(stored) as RunSnapshot);
      for (const event of log.slice(cut)) {
        state.apply(event);
        resumed.apply(event);
      }
      const whole = encodePayload(RunState.of(runId, log).snapshot());
      assert.deepEqual(decodePayload(encodePayload(state.snapshot())), decodePayload(whole));
      assert.deepEqual(decodePayload(encodePayload(resumed.snapshot())), decodePayload(whole));
      assert.deepEqual(decodePayload(encodePayload(snapshot)), decodePayload(stored));
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 150) },
  );
});
