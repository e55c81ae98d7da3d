import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNumberedAddress, eventAddress } from '../../../runtime/core/log/event-address.ts';
import { pointerPattern, touches } from '../../../runtime/core/json/pointer-pattern.ts';
import { pointOf } from '../../../runtime/replay/history-point.ts';

test('a step is named by type and number, by event type and number, or by the id of an activity', () => {
  assert.deepEqual(eventAddress('call', 'validate#2'), { by: 'call', activityType: 'validate', number: 2 });
  assert.deepEqual(eventAddress('call', 'a#b#10'), { by: 'call', activityType: 'a#b', number: 10 });
  assert.deepEqual(eventAddress('call', 'SignalReceived#1'), { by: 'event', type: 'SignalReceived', number: 1 });
  assert.deepEqual(eventAddress('call', 'order-7'), { by: 'id', activityId: 'order-7' });
  assert.deepEqual(eventAddress('call', 'toString#1'), { by: 'call', activityType: 'toString', number: 1 });
  assert.equal(isNumberedAddress('validate'), false);
  for (const bad of ['', 'validate#0', 'x'.repeat(1001), 7, undefined]) {
    assert.throws(() => eventAddress('call', bad), { code: 'INVALID_INPUT' });
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
