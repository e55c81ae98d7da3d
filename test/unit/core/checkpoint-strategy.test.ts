import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import {
  automaticShare,
  checkpointName,
  type CheckpointStrategy,
  type CheckpointTail,
  dueTrigger,
  strategyFault,
} from '../../../runtime/core/recovery/checkpoint-strategy.ts';
import { TailCounter } from '../../../runtime/core/recovery/checkpoint-tail.ts';

const tail: CheckpointTail = {
  ...{ patches: 1, bytes: 100, activities: 0, ms: 0, progress: undefined, progressBefore: undefined, snapshotBytes: 0 },
};
type Data = Parameters<typeof dueTrigger>[0];
const due = (strategy: Data, given: Partial<CheckpointTail>): string | undefined =>
  dueTrigger(strategy, { ...tail, ...given });

test('automatic is due when the log has grown by 20 times the stored size', () => {
  assert.equal(due('automatic', { bytes: 99_999, snapshotBytes: 5_000 }), undefined);
  assert.equal(due('automatic', { bytes: 100_000, snapshotBytes: 5_000 }), 'automatic');
  assert.equal(due('automatic', { bytes: 20_479 }), undefined);
  assert.equal(due('automatic', { bytes: 20_480 }), 'automatic');
});

test('every is due at whichever comes first, and names it', () => {
  const every: Data = { every: { patches: 3, steps: 2, ms: 1_000 } };
  assert.equal(due(every, { patches: 2, activities: 1, ms: 999 }), undefined);
  assert.equal(due(every, { patches: 3 }), 'patches');
  assert.equal(due(every, { activities: 2 }), 'activities');
  assert.equal(due(every, { ms: 1_000 }), 'time');
});

test('nothing is due without a patch since the last checkpoint, nor for manual and off', () => {
  for (const strategy of ['automatic', 'manual', 'off', { every: { steps: 1 } }] as const) {
    assert.equal(due(strategy, { patches: 0, activities: 9, bytes: 1e9 }), undefined);
  }
  for (const strategy of ['manual', 'off'] as const) assert.equal(due(strategy, { bytes: 1e9 }), undefined);
});

test('each progress mark is due once, whatever way the progress goes', () => {
  const marks = [0, 0.25, 0.5, 1];
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }), (reports) => {
      const counter = new TailCounter(0);
      let taken = 0;
      const crossed = new Set<number>();
      for (const [i, progress] of reports.entries()) {
        counter.add({ ...newEvent(i + 2, 'ContextPatched', { ops: '[]', meta: JSON.stringify({ progress }) }), at: i });
        const fresh = marks.filter((mark) => mark <= Math.max(...reports.slice(0, i + 1)) && !crossed.has(mark));
        const trigger = dueTrigger({ at: { progress: marks } }, counter.tail);
        assert.equal(trigger, fresh.length > 0 ? 'progress' : undefined);
        for (const mark of fresh) crossed.add(mark);
        if (trigger === undefined) continue;
        counter.begin();
        taken += 1;
      }
      assert.ok(taken <= marks.length);
    }),
  );
});

test('automatic checkpoints that are kept never take more than a twentieth of the patches, whatever their sizes', () => {
  const step = fc.record({
    patchBytes: fc.integer({ min: 1, max: 20_000 }),
    stored: fc.integer({ min: 20, max: 100_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const counter = new TailCounter(0);
      let log = 0;
      let kept = 0;
      for (const [i, { patchBytes, stored }] of steps.entries()) {
        const ops = 'x'.repeat(patchBytes);
        log += 120 + patchBytes;
        counter.add({ ...newEvent(i + 2, 'ContextPatched', { ops }), at: i });
        const { tail: now } = counter;
        if (dueTrigger('automatic', now) === undefined) continue;
        const ended = counter.begin();
        if (stored > now.bytes / automaticShare) counter.addEarlier(ended);
        else kept += stored;
        counter.measured(stored);
      }
      assert.ok(kept * automaticShare <= log, `${kept} of ${log}`);
    }),
    { numRuns: 500 },
  );
});

test('a tail that was read for its earlier part counts the same as one that saw every event', () => {
  const event = fc.record({
    type: fc.constantFrom('ContextPatched' as const, 'ActivityCompleted' as const, 'TimerFired' as const),
    ops: fc.string({ unit: 'grapheme' }),
    progress: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), fc.nat(), (recipe, where) => {
      const events = recipe.map(({ type, ops, progress }, i) => ({
        ...newEvent(
          i + 2,
          type,
          type === 'ContextPatched' ? { ops, meta: progress === null ? null : JSON.stringify({ progress }) } : {},
        ),
        at: 1_000 * i,
      }));
      const cut = where % (events.length + 1);
      const whole = new TailCounter(0);
      const early = new TailCounter(0);
      const late = new TailCounter(1_000 * cut);
      for (const [i, each] of events.entries()) {
        whole.add(each);
        (i < cut ? early : late).add(each);
      }
      late.addEarlier(early.begin());
      const expected = { ...whole.tail, ms: events.length === cut ? late.tail.ms : whole.tail.ms };
      assert.deepEqual(late.tail, expected);
    }),
  );
});

test('a wrong strategy and a wrong name are refused with what is accepted', () => {
  const good: CheckpointStrategy[] = [
    'automatic',
    'manual',
    'off',
    { every: { ms: 5 } },
    { at: { progress: [0, 1] } },
    () => true,
  ];
  for (const strategy of good) assert.equal(strategyFault(strategy), undefined);
  const bad = [
    'never',
    5,
    null,
    {},
    { every: {} },
    { every: { patches: 0 } },
    { every: { patchs: 1 } },
    { at: { progress: [] } },
    { at: { progress: [2] } },
    { every: { ms: 1 }, at: { progress: [1] } },
  ];
  for (const strategy of bad) assert.match(strategyFault(strategy) ?? '', /expected 'automatic', 'manual', 'off'/);
  assert.equal(checkpointName('half'), 'half');
  for (const name of ['', 'x'.repeat(201), 'a\0b', '\ud800', 5])
    assert.throws(() => checkpointName(name), { code: 'INVALID_INPUT' });
});
