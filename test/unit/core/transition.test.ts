// The transition table, exhaustively, and the check of a turn.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventCode, type EventType } from '../../../runtime/core/log/event.ts';
import {
  assertTurn,
  isClosed,
  type RunStatus,
  runStatuses,
  statusAfter,
} from '../../../runtime/core/log/transition.ts';

const types = Object.keys(eventCode) as EventType[];

const closing: Partial<Record<EventType, RunStatus>> = {
  WorkflowCompleted: 'completed',
  WorkflowFailed: 'failed',
  WorkflowCancelled: 'cancelled',
  WorkflowTerminated: 'terminated',
  WorkflowTimedOut: 'timed_out',
  WorkflowContinuedAsNew: 'continued_as_new',
  WorkflowRolledBack: 'rolled_back',
  WorkflowRecovered: 'recovered',
};

/** Outputs of workflow code, and events about its execution. None of these events is legal while a run is paused. */
const refusedWhenPaused: readonly EventType[] = [
  'WorkflowStarted',
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowCancelled',
  'WorkflowContinuedAsNew',
  'WorkflowTaskFailed',
  'WorkflowTaskCompleted',
  'WorkflowPaused',
  'CheckpointSaved',
  'ActivityScheduled',
  'ActivityCancelRequested',
  'TimerStarted',
  'TimerCancelled',
  'UpdateAccepted',
  'UpdateCompleted',
  'UpdateFailed',
  'VersionMarked',
  'ChildWorkflowInitiated',
  'ExternalSignalInitiated',
  'ExternalCancelInitiated',
  'SearchAttributesUpserted',
  'MemoUpserted',
];

function expected(status: RunStatus | undefined, type: EventType): RunStatus | 'refused' {
  if (status === undefined) return type === 'WorkflowStarted' ? 'running' : 'refused';
  if (type === 'PayloadErased') return status;
  if (status === 'running') {
    if (type === 'WorkflowPaused') return 'paused';
    return type === 'WorkflowStarted' || type === 'WorkflowResumed' ? 'refused' : (closing[type] ?? 'running');
  }
  if (status === 'paused') {
    if (type === 'WorkflowResumed' || type === 'WorkflowForked') return 'running';
    return refusedWhenPaused.includes(type) ? 'refused' : (closing[type] ?? 'paused');
  }
  return 'refused';
}

for (const status of [undefined, ...runStatuses]) {
  test(`the table covers every event type when the run is ${status ?? 'not started'}`, () => {
    for (const type of types) assert.equal(statusAfter(status, type), expected(status, type), type);
  });
}

test('running and paused are the open statuses', () => {
  assert.deepEqual(
    runStatuses.filter((status) => !isClosed(status)),
    ['running', 'paused'],
  );
});

function event(
  seq: number,
  type: EventType,
  answers: number | null = null,
): { seq: number; type: EventType; answers: number | null } {
  return { seq, type, answers };
}

function refusal(problem: RegExp): { code: string; message: RegExp } {
  return { code: 'ASSERTION_FAILED', message: problem };
}

test('a first turn starts the run', () => {
  const events = [event(1, 'WorkflowStarted'), event(2, 'SignalReceived'), event(3, 'ActivityScheduled')];
  assert.equal(assertTurn(undefined, 0, events), 'running');
});

test('a turn may close the run with its last event', () => {
  const events = [event(8, 'ActivityCompleted', 3), event(9, 'TimerCancelled', 4), event(10, 'WorkflowCompleted')];
  assert.equal(assertTurn('running', 7, events), 'completed');
});

test('a patch that answers an event is an input, and any other patch is an output', () => {
  const inputFirst = [event(5, 'ContextPatched', 4), event(6, 'ActivityCompleted', 2), event(7, 'ContextPatched')];
  assert.equal(assertTurn('running', 4, inputFirst), 'running');
  const outputFirst = [event(5, 'ContextPatched'), event(6, 'ActivityCompleted', 2)];
  assert.throws(() => assertTurn('running', 4, outputFirst), refusal(/behind an output/));
});

test('an input behind an output is rejected', () => {
  const events = [event(5, 'ActivityScheduled'), event(6, 'SignalReceived')];
  assert.throws(() => assertTurn('running', 4, events), refusal(/SignalReceived \(seq 6\)/));
});

test('a gap, a repetition and a wrong first seq are rejected', () => {
  for (const seqs of [[5, 7], [5, 5], [6], [4]]) {
    const events = seqs.map((seq) => event(seq, 'SignalReceived'));
    assert.throws(() => assertTurn('running', 4, events), refusal(/expected [56]/));
  }
});

test('an answer to itself, to a later event or to 0 is rejected', () => {
  for (const answers of [5, 6, 0, -1, Number.NaN]) {
    const events = [event(5, 'TimerFired', answers)];
    assert.throws(() => assertTurn('running', 4, events), refusal(/earlier seq/));
  }
});

test('nothing follows the event that closes a run, not even another closing event', () => {
  for (const last of types.filter((type) => type !== 'PayloadErased')) {
    const events = [event(5, 'WorkflowCompleted'), event(6, last)];
    assert.throws(() => assertTurn('running', 4, events), refusal(/when the run is completed/));
  }
});

test('a closed run takes no event but an erasure', () => {
  for (const status of runStatuses.filter(isClosed)) {
    assert.equal(assertTurn(status, 4, [event(5, 'PayloadErased')]), status);
    for (const type of types.filter((each) => each !== 'PayloadErased')) {
      assert.throws(() => assertTurn(status, 4, [event(5, type)]), refusal(new RegExp(`when the run is ${status}`)));
    }
  }
});

test('the first event of a run must be WorkflowStarted', () => {
  const events = [event(1, 'SignalReceived')];
  assert.throws(() => assertTurn(undefined, 0, events), refusal(/not started/));
  assert.throws(() => assertTurn(undefined, 0, []), refusal(/no event/));
});
