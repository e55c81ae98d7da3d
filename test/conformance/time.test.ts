// Timers, conditions, clocks and randomness. Behaviors 25 to 27 and 29 to 32 of docs/behaviors.md. cancellation.test.ts
// covers behavior 28.
import assert from 'node:assert/strict';
import type { WorkflowHandle } from 'reprise/client';
import type { Clock } from '../support/fixtures/conformance-time.ts';
import { behavior, pause, turnsOf, typesOf, type Way, ways } from './ways.ts';

const all = await ways();
const count = async (handle: WorkflowHandle, type: string): Promise<number> =>
  (await typesOf(handle)).filter((other) => other === type).length;

/** Durations of a run's timers in ms, from the log. */
async function timerTexts(handle: WorkflowHandle): Promise<number[]> {
  const events = await handle.history();
  return events
    .filter(({ type }) => type === 'TimerStarted')
    .map(({ at, meta }) => Math.ceil((meta as { due: number }).due / 1000 - at.getTime()));
}

behavior(all, '25: no sleep is shorter than 1 ms; an invalid duration throws a TypeError', async (way) => {
  const handle = await way.start('sleepsForNothing');
  assert.match((await way.result(handle)) as string, /^TypeError: Invalid duration/);
  const timers = await timerTexts(handle);
  assert.equal(timers.length, 4);
  for (const ms of timers) assert.ok(ms >= 1 && ms <= 2, `${ms} ms`);
});

behavior(all, '26: a condition leaves no event, and sees a state that lasts for one message only', async (way) => {
  const handle = await way.start('waitsForFlip');
  await handle.query('__temporal_workflow_metadata');
  await way.together(handle, [
    ['flip', true],
    ['flip', false],
  ]);
  assert.deepEqual(await way.result(handle), { atOnce: 1, value: false, told: 'undefined' });
  assert.deepEqual(
    (await typesOf(handle)).filter((type) => type !== 'WorkflowTaskCompleted'),
    ['WorkflowStarted', 'SignalReceived', 'SignalReceived', 'WorkflowCompleted'],
  );
});

behavior(all, '27: a condition with a timeout that is met at once is true and leaves no event', async (way) => {
  const handle = await way.start('waitsAtMost', [1000, true]);
  assert.equal(await way.result(handle), true);
  assert.deepEqual(await turnsOf(handle), [['WorkflowStarted', 'WorkflowCompleted']]);
});

behavior(all, '27: a condition that times out is false, and a timeout of 0 is 1 ms', async (way) => {
  for (const ms of [0, 20]) {
    const handle = await way.start('waitsAtMost', [ms, false]);
    assert.equal(await way.result(handle), false);
    const [due] = await timerTexts(handle);
    assert.ok(due! >= Math.max(ms, 1) && due! <= Math.max(ms, 1) + 1);
    assert.deepEqual([await count(handle, 'TimerFired'), await count(handle, 'TimerCancelled')], [1, 0]);
  }
});

behavior(all, '27: a condition that is met in time is true and cancels its timer', async (way) => {
  const handle = await way.start('waitsAtMost', [60_000, false]);
  await handle.query('__temporal_workflow_metadata');
  await handle.signal('go');
  assert.equal(await way.result(handle), true);
  assert.deepEqual((await turnsOf(handle)).at(-1), ['SignalReceived', 'TimerCancelled', 'WorkflowCompleted']);
});

/** A run whose timer fires while a signal is being sent. Timer and signal reach the code in one activation. */
async function raced(way: Way, type: string, ...more: unknown[]): Promise<WorkflowHandle> {
  for (let ms = 400; ; ms *= 2) {
    const handle = await way.start(type, [ms, ...more]);
    await handle.query('__temporal_workflow_metadata');
    let isInTime = false;
    await way.together(handle, [['go']], async () => {
      // The sender holds the run's row lock. If TimerFired is not in the log yet, it comes after the signal.
      isInTime = !(await typesOf(handle)).includes('TimerFired');
      if (isInTime) await pause(ms + 100);
    });
    if (isInTime) return handle;
    await handle.result();
  }
}

behavior(all, '27: signal and timer in one activation: the condition is met', async (way) => {
  const handle = await raced(way, 'waitsAtMost', false);
  assert.equal(await way.result(handle), true);
  // A run that is loaded again may receive its messages before it learns that its timer has fired.
  const last = (await turnsOf(handle)).at(-1)!;
  assert.ok(last.includes('SignalReceived') && last.includes('WorkflowCompleted'));
  assert.ok(last.includes('TimerFired') || (way.name !== 'cached' && last.includes('TimerCancelled')));
});

behavior(all, '27: signals of an activation are handled before its timers', async (way) => {
  assert.deepEqual(await way.result(await raced(way, 'seesTogether')), ['signal', 'timer']);
});

behavior(all, '29: within an activation, the time stays that of the turn in the history', async (way) => {
  const handle = await way.start('readsClocks');
  const read = (await way.result(handle)) as Clock[];
  for (const { now, date } of read) assert.equal(now, date);
  // WorkflowStarted is left out: the run may have started earlier than its first turn.
  const turns = [...new Set((await handle.history()).slice(1).map(({ at }) => at.getTime()))];
  assert.deepEqual(
    read.map(({ now }) => now),
    turns.flatMap((at) => [at, at]),
  );
  const [started, now] = (await way.execute('tellsRunStart')) as number[];
  assert.ok(now! >= started!);
});

behavior(all, '30: random values are the same in replay and different in the next run of a chain', async (way) => {
  const handle = await way.start('draws');
  const drawn = ((await way.result(handle)) as unknown[][]).flat();
  assert.equal(drawn.length, 8);
  assert.equal(new Set(drawn).size, 8);
  for (const value of drawn) {
    if (typeof value === 'string')
      assert.match(value, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    else assert.ok(typeof value === 'number' && value >= 0 && value < 1);
  }
});

behavior(all, '31: setTimeout and clearTimeout are durable timers; setInterval does not exist', async (way) => {
  const handle = await way.start('setsTimeouts');
  assert.deepEqual(await way.result(handle), ['undefined', 'fired']);
  assert.deepEqual(
    await Promise.all(['TimerStarted', 'TimerFired', 'TimerCancelled'].map((type) => count(handle, type))),
    [2, 1, 1],
  );
});

behavior(all, '32: the loser of a race is not cancelled; the run closes while it is pending', async (way) => {
  const handle = await way.start('trailingTimer');
  assert.equal(await way.result(handle), 'first');
  assert.equal(await count(handle, 'TimerCancelled'), 0);
  assert.equal((await typesOf(handle)).at(-1), 'WorkflowCompleted');
});
