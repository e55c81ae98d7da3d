import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exactTime, isPastTime, pastTime, zonedTime } from '../../../runtime/core/options/past-time.ts';

const now = Date.parse('2026-03-10T12:30:00Z');
const at = (text: string, zone: 'utc' | 'local' = 'utc'): string => exactTime(pastTime('call', text, { now, zone }));

test('times with a zone, without one, of the day and relative to now are read', () => {
  assert.equal(at('2026-01-31T12:00:00Z'), '2026-01-31T12:00:00.000999Z');
  assert.equal(at('2026-01-31 12:00'), '2026-01-31T12:00:00.000999Z');
  assert.equal(at('2026-01-31T12:00:00+05:30'), '2026-01-31T06:30:00.000999Z');
  assert.equal(at('2026-01-31T12:00:00-0800'), '2026-01-31T20:00:00.000999Z');
  assert.equal(at('2026-01-31'), '2026-01-31T00:00:00.000999Z');
  assert.equal(at('2026-01-31T12:00:00.1234Z'), '2026-01-31T12:00:00.123400Z');
  assert.equal(at('12:03'), '2026-03-10T12:03:00.000999Z');
  assert.equal(at('9:03:05.25'), '2026-03-10T09:03:05.250999Z');
  assert.equal(at('5 min ago'), '2026-03-10T12:25:00.000999Z');
  assert.equal(at('1.5h ago'), '2026-03-10T11:00:00.000999Z');
  assert.equal(at('2 days ago'), '2026-03-08T12:30:00.000999Z');
  assert.equal(at('now'), '2026-03-10T12:30:00.000999Z');
  assert.equal(exactTime(pastTime('call', new Date(now), { now })), '2026-03-10T12:30:00.000999Z');
});

test('a time of day that is still to come is that of yesterday', () => {
  assert.equal(at('14:03'), '2026-03-09T14:03:00.000999Z');
});

test('a local time agrees with Date, and its text names the zone', () => {
  const local = new Date(2026, 0, 31, 12, 5);
  assert.equal(at('2026-01-31 12:05', 'local'), exactTime(local.getTime() * 1000 + 999));
  const clock = new Date(pastTime('call', '14:03', { now }) / 1000);
  assert.deepEqual([clock.getHours(), clock.getMinutes()], [14, 3]);
  assert.ok(clock.getTime() <= now && clock.getTime() > now - 25 * 3_600_000);
  assert.equal(zonedTime(new Date(now), 'utc'), '2026-03-10 12:30:00.000 +00:00 (UTC)');
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  assert.match(zonedTime(new Date(now)), /^2026-03-\d\d \d\d:\d\d:00\.000 [+-]\d\d:\d\d \(/);
  assert.ok(zonedTime(new Date(now)).endsWith(`(${zone})`));
});

test('what is not a time is refused with the accepted forms', () => {
  for (const text of ['', 'yesterday', '25:00', '12:60', '2026-02-30', '2026-13-01', '5 apples ago', 'ago', '12']) {
    assert.equal(isPastTime(text), false, text);
    assert.throws(() => at(text), {
      code: 'INVALID_INPUT',
      message: /is not a time\. Expected .*"5 min ago" or "now"/,
    });
  }
  for (const value of [new Date(Number.NaN), 5, null]) {
    assert.throws(() => pastTime('call', value, { now }), { code: 'INVALID_INPUT' });
  }
});

test('the exact text of a time is read back as the same time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e15 }), (micros) => {
      assert.equal(pastTime('call', exactTime(micros), { now }), micros);
    }),
  );
});

test('a time outside the years 1 to 9999 is refused', () => {
  for (const time of ['300000 years ago', '0000-06-01', new Date(8.64e15), new Date(-8.64e15)]) {
    assert.throws(() => pastTime('call', time, { now, zone: 'utc' }), {
      code: 'INVALID_INPUT',
      message: /outside the years 1 to 9999/,
    });
  }
  assert.equal(at('0001-01-01').slice(0, 16), '0001-01-01T00:00');
});

test('a time of day that comes twice, because the clock is set back, is the latest one that is past', (t) => {
  const before = process.env['TZ'];
  t.after(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });
  process.env['TZ'] = 'Europe/Berlin';
  const latest = (text: string, present: string): string =>
    exactTime(pastTime('call', text, { now: Date.parse(present), zone: 'local' })).slice(0, 16);
  assert.equal(latest('02:30', '2026-10-25T01:45:00Z'), '2026-10-25T01:30');
  assert.equal(latest('02:30', '2026-10-25T01:15:00Z'), '2026-10-25T00:30');
  assert.equal(latest('02:30', '2026-10-25T00:45:00Z'), '2026-10-25T00:30');
  assert.equal(latest('02:30', '2026-10-25T00:15:00Z'), '2026-10-24T00:30');
  assert.equal(latest('02:30', '2026-10-26T01:15:00Z'), '2026-10-25T01:30');
  assert.equal(latest('03:30', '2026-10-25T03:00:00Z'), '2026-10-25T02:30');
});
