import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNumberedAddress, eventAddress } from '../../../runtime/core/recovery/event-address.ts';
import { pointerPattern, touches } from '../../../runtime/core/json/pointer-pattern.ts';
import { pointOf } from '../../../runtime/replay/context/history-point.ts';

test('an event is named by type and number, by event type and number, or by the id of an activity', () => {
  assert.deepEqual(eventAddress('validate#2'), { by: 'call', type: 'validate', n: 2 });
  assert.deepEqual(eventAddress('a#b#10'), { by: 'call', type: 'a#b', n: 10 });
  assert.deepEqual(eventAddress('SignalReceived#1'), { by: 'event', type: 'SignalReceived', n: 1 });
  assert.deepEqual(eventAddress('order-7'), { by: 'id', id: 'order-7', seq: undefined });
  assert.deepEqual(eventAddress('toString#1'), { by: 'call', type: 'toString', n: 1 });
  assert.equal(isNumberedAddress('validate'), false);
  for (const bad of ['', 'x'.repeat(1001), undefined, -1]) {
    assert.throws(() => eventAddress(bad), { code: 'INVALID_INPUT' });
  }
});

test('a point as one text is a seq, a checkpoint, a step or a time', () => {
  assert.deepEqual(pointOf('42'), { seq: 42 });
  assert.deepEqual(pointOf('checkpoint:half'), { checkpoint: 'half' });
  assert.deepEqual(pointOf('checkpoint:2026-01-31'), { checkpoint: '2026-01-31' });
  assert.deepEqual(pointOf('event:order-7'), { event: 'order-7' });
  assert.deepEqual(pointOf('validate#1'), { event: 'validate#1' });
  for (const time of ['14:03', '5 min ago', '2026-01-31T12:00:00Z']) assert.deepEqual(pointOf(time), { time });
  assert.throws(() => pointOf('half'), { code: 'INVALID_INPUT', message: /"half" is not a point.*checkpoint:NAME/ });
});

test('a pattern matches operations at, above and below its places, with * for any key', () => {
  const op = (path: string): Parameters<typeof touches>[0] => ({ op: 'replace', path, value: 1 });
  const pattern = pointerPattern('call', '/records/*/dob');
  for (const path of ['', '/records', '/records/7', '/records/7/dob', '/records/x/dob/year']) {
    assert.equal(touches(op(path), pattern), true, path);
  }
  for (const path of ['/record', '/records/7/name', '/other/7/dob', '/records2/7/dob']) {
    assert.equal(touches(op(path), pattern), false, path);
  }
  assert.equal(touches({ op: 'move', from: '/records/1/dob', path: '/old' }, pattern), true);
  assert.equal(touches(op('/a~1b/0'), pointerPattern('call', '/a~1b')), true);
  for (const bad of ['records', '/a~2', 5]) {
    assert.throws(() => pointerPattern('call', bad), { code: 'INVALID_INPUT', message: /is not a JSON Pointer/ });
  }
});
