// Which items of two runs correspond, and the digests by which they are compared.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { alignItems, type ItemPair } from '../../../runtime/core/compare/align-items.ts';
import { type RunItem, RunItems } from '../../../runtime/core/compare/run-items.ts';
import { ApplicationFailure } from '../../../runtime/core/failure/failure.ts';
import { encodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import type { EventType } from '../../../runtime/core/log/event.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { sha256 } from '../../../runtime/store/codec/sha256.ts';

let seq = 0;

function call(name: string, input: string, columns: Partial<RunItem> = {}): RunItem {
  const rest = { outcome: 'completed', result: input, endSeq: undefined, id: undefined } as const;
  return { kind: 'activity', seq: seq++, name, input, ...rest, ...columns };
}

const timer = (ms: number): RunItem => call('', String(ms), { kind: 'timer', result: '' });
const shown = (pairs: readonly ItemPair[]): string[] =>
  pairs.map(({ verdict, differences, a, b }) =>
    [verdict, (a ?? b)!.name, (a ?? b)!.input, ...differences].filter((part) => part !== '').join(' '),
  );

test('a call that only one run made is missing or extra, and the calls around it are the same', () => {
  const a = [call('load', '1'), call('load', '2'), call('send', '3')];
  const b = [call('load', '0'), call('load', '1'), call('log', '9'), call('load', '2')];
  assert.deepEqual(shown(alignItems(a, b)), [
    'extra load 0',
    'same load 1',
    'extra log 9',
    'same load 2',
    'missing send 3',
  ]);
});

test('equal calls correspond in the order in which they were made', () => {
  const a = [call('load', '1', { result: 'x' }), call('load', '1', { result: 'y' })];
  const b = [call('load', '1', { result: 'x' }), call('load', '1', { result: 'z' })];
  assert.deepEqual(shown(alignItems(a, b)), ['same load 1', 'differs load 1 result']);
});

test('a call with a given id corresponds to the call with the same id and type, whatever its input', () => {
  const a = [call('load', '1', { id: 'first' }), call('load', '2', { id: 'second' })];
  const b = [
    call('load', '1', { id: 'second' }),
    call('load', '2', { id: 'first' }),
    call('save', '1', { id: 'first' }),
  ];
  assert.deepEqual(shown(alignItems(a, b)), [
    'differs load 1 input result',
    'extra save 1',
    'differs load 2 input result',
  ]);
});

test('a call with another input corresponds to a call of its type that no other call takes', () => {
  const a = [call('load', '1'), call('load', '2')];
  const b = [call('load', '3'), call('load', '1')];
  assert.deepEqual(shown(alignItems(a, b)), ['same load 1', 'differs load 2 input result']);
});

test('timers correspond by order', () => {
  assert.deepEqual(shown(alignItems([timer(1), timer(2)], [timer(2), timer(1), timer(3)])), [
    'differs 1 input',
    'differs 2 input',
    'extra 3',
  ]);
});

const item = fc
  .record({
    kind: fc.constantFrom('activity', 'timer', 'signal'),
    name: fc.constantFrom('p', 'q'),
    input: fc.constantFrom('1', '2', '3'),
    id: fc.constantFrom(undefined, undefined, 'i', 'j'),
    outcome: fc.constantFrom('completed', 'failed'),
  })
  .map(({ kind, name, input, id, outcome }): RunItem => {
    const isTimer = kind === 'timer';
    return call(isTimer ? '' : name, input, { kind, outcome, id: isTimer ? undefined : id });
  });
const items = fc.array(item, { maxLength: 12, size: 'max' });

test('each item stands in exactly one pair, in the order of its run, and pairs only with its kind and name', () => {
  fc.assert(
    fc.property(items, items, (a, b) => {
      const pairs = alignItems(a, b);
      assert.deepEqual(
        pairs.flatMap((pair) => pair.a ?? []),
        a,
      );
      assert.deepEqual(new Set(pairs.flatMap((pair) => pair.b ?? [])), new Set(b));
      assert.equal(pairs.filter((pair) => pair.b !== undefined).length, b.length);
      for (const { a: one, b: other, verdict, differences } of pairs) {
        if (one === undefined || other === undefined) continue;
        assert.deepEqual([one.kind, one.name], [other.kind, other.name]);
        const same = one.input === other.input && one.outcome === other.outcome && one.result === other.result;
        assert.equal(verdict, same ? 'same' : 'differs');
        assert.equal(differences.length === 0, same);
      }
    }),
  );
});

test('a run is the same as itself, and swapping the runs swaps missing and extra', () => {
  fc.assert(
    fc.property(items, items, (a, b) => {
      assert.ok(
        alignItems(
          a,
          a.map((other) => ({ ...other, seq: other.seq + 100 })),
        ).every((pair) => pair.verdict === 'same'),
      );
      const count = (pairs: readonly ItemPair[], verdict: string): number =>
        pairs.filter((pair) => pair.verdict === verdict).length;
      const [there, back] = [alignItems(a, b), alignItems(b, a)];
      assert.equal(count(there, 'missing'), count(back, 'extra'));
      assert.equal(count(there, 'same'), count(back, 'same'));
    }),
  );
});

function folded(...events: (readonly [EventType, Parameters<typeof newEvent>[2]])[]): readonly RunItem[] {
  const fold = new RunItems(sha256);
  for (const [index, [type, columns]] of events.entries()) {
    fold.take({ ...newEvent(index + 1, type, columns), at: 1_000_000 * index, hash: null });
  }
  return fold.items;
}

test('ids that the engine numbers do not count as ids', () => {
  const [numbered, given] = folded(
    ['ActivityScheduled', { name: 'load', meta: '{"id":"7"}' }],
    ['ActivityScheduled', { name: 'load', meta: '{"id":"page-7"}' }],
  );
  assert.deepEqual([numbered?.id, given?.id], [undefined, 'page-7']);
});

test('failures with the same message and type are the same, whatever their stacks', () => {
  const failure = (stack: string, message = 'no'): Uint8Array => {
    const error = ApplicationFailure.create({ message, type: 'Luck' });
    error.stack = stack;
    return encodeFailure(error);
  };
  const failed = (payload: Uint8Array): RunItem =>
    folded(['ActivityScheduled', { name: 'load', meta: '{}' }], ['ActivityFailed', { answers: 1, payload }])[0]!;
  assert.equal(failed(failure('at a.ts:1')).result, failed(failure('at b.ts:2')).result);
  assert.notEqual(failed(failure('at a.ts:1')).result, failed(failure('at a.ts:1', 'yes')).result);
});

test('a timer is compared by its duration, and an item without an end is pending', () => {
  const [first, second] = folded(
    ['TimerStarted', { meta: '{"due":5000000}' }],
    ['TimerStarted', { meta: '{"due":6000000}' }],
    ['TimerFired', { answers: 1 }],
  );
  assert.deepEqual([first?.input, first?.outcome, first?.endSeq], ['5000', 'fired', 3]);
  assert.deepEqual([second?.input, second?.outcome], ['5000', 'pending']);
});

test('arguments that a retry replaced count as the input', () => {
  const payload = new Uint8Array([2, 0x31]);
  const [edited] = folded(
    ['ActivityScheduled', { name: 'load', meta: '{}' }],
    ['RecoveryApplied', { name: 'retry', answers: 1, payload }],
  );
  const [signal] = folded(['SignalReceived', { name: 's', payload }]);
  assert.equal(edited?.input, signal?.input);
});
