// Builds single turns without a database, from inputs that arrive after the end of the run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import type { Input } from '../../runtime/core/run/input.ts';
import { LiveRun } from '../../runtime/worker/turns/live-run.ts';
import { buildTurn } from '../../runtime/worker/turns/turn-builder.ts';

function run(): LiveRun {
  const made = new LiveRun('01a00000-0000-7000-8000-000000000001', 4, null);
  made.record({ ...newEvent(1, 'WorkflowStarted', { name: 'w', meta: '{"workflowId":"w"}' }), at: 1, hash: null });
  return made;
}

function mail(mailId: number, type: Input['type'], columns: Partial<Input> = {}): Input {
  return { ...newEvent(0, type, columns), mailId };
}

test('an update that arrives after the run’s end is not logged, and its message is consumed', () => {
  for (const end of ['WorkflowTerminated', 'WorkflowTimedOut'] as const) {
    const built = buildTurn(
      run(),
      [
        mail(1, 'SignalReceived', { name: 'before' }),
        mail(2, 'UpdateAccepted', { name: 'u', correlationId: 'u1' }),
        mail(3, end),
        mail(4, 'SignalReceived', { name: 'behind' }),
      ],
      5,
    );
    assert.deepEqual(
      built.events.map(({ seq, type }) => [seq, type]),
      [
        [2, 'SignalReceived'],
        [3, end],
      ],
    );
    assert.deepEqual(built.consumed.toSorted(), [1, 2, 3, 4]);
    assert.equal(built.closes, end === 'WorkflowTerminated' ? 'terminated' : 'timed_out');
  }
});

test('messages after a timeout go to the next attempt of the run, unread', () => {
  const tried = new LiveRun('01a00000-0000-7000-8000-000000000002', 3, null);
  const meta = JSON.stringify({ workflowId: 'w', runTimeoutMs: 1, retry: {} });
  tried.record({ ...newEvent(1, 'WorkflowStarted', { name: 'w', meta }), at: 1, hash: null });
  const inputs = [
    mail(1, 'SignalReceived', { name: 'before' }),
    mail(2, 'UpdateAccepted', { name: 'u', correlationId: 'u1' }),
    newEvent(0, 'WorkflowTimedOut'),
    mail(3, 'SignalReceived', { name: 'behind' }),
  ];
  const built = buildTurn(tried, inputs, 5);
  assert.deepEqual(
    built.events.map(({ type }) => type),
    ['SignalReceived', 'WorkflowTimedOut'],
  );
  assert.deepEqual(built.consumed, [1]);
  assert.notEqual(built.continues, undefined);
  assert.equal(built.events.at(-1)!.correlationId, built.continues?.runId);
});
