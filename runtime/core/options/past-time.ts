// Times of the past as people write them: a Date, ISO 8601, a time of day, "5 min ago", "now". Pure apart from the
// machine's time zone: the caller passes the present time.
import { describeValue } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';
import { durationMs, type StringValue } from './duration.ts';

/** The zone of times without one: that of this machine, or UTC. */
export type TimeZoneChoice = 'local' | 'utc';

export interface TimeReading {
  /** The present time, ms since 1970. */
  readonly now: number;
  /** Default: 'local'. */
  readonly zone?: TimeZoneChoice;
}

const accepted =
  'a Date, ISO text such as 2026-01-31T12:00:00Z or 2026-01-31 12:00, a time of day such as 14:03 (the latest one), ' +
  '"5 min ago" or "now"';

const isoPattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;
const clockPattern = /^(\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?$/;
const agoPattern = /^(\d+(?:\.\d+)?)\s*([a-z]+)\s+ago$/i;

/**
 * The time in µs since 1970. A time is inclusive: one that is given in ms includes its whole millisecond, because events
 * have microseconds. A date alone is the start of that day.
 * @throws INVALID_INPUT
 */
export function pastTime(call: string, value: unknown, reading: TimeReading): number {
  const micros =
    value instanceof Date ? wholeMs(value.getTime()) : typeof value === 'string' && microsOf(value, reading);
  if (typeof micros === 'number' && Number.isFinite(micros)) return checkedYear(call, micros);
  const found =
    value instanceof Date ? 'an invalid Date' : typeof value === 'string' ? `"${value}"` : describeValue(value);
  throw new RuntimeError('INVALID_INPUT', `${call}: time ${found} is not a time. Expected ${accepted}.`);
}

/** Years of four digits: each time in them can be written as ISO text and compared in SQL. */
const limits = {
  from: Date.parse('0001-01-01T00:00:00Z') * 1000,
  to: Date.parse('9999-12-31T23:59:59.999Z') * 1000 + 999,
};

function checkedYear(call: string, micros: number): number {
  if (micros >= limits.from && micros <= limits.to) return micros;
  throw new RuntimeError('INVALID_INPUT', `${call}: the time lies outside the years 1 to 9999. Expected ${accepted}.`);
}

/** Whether the text is a time that `pastTime` reads. */
export function isPastTime(text: string): boolean {
  return microsOf(text, { now: 0, zone: 'utc' }) !== undefined;
}

function microsOf(text: string, { now, zone = 'local' }: TimeReading): number | undefined {
  const given = text.trim();
  if (given.toLowerCase() === 'now') return wholeMs(now);
  const ago = agoPattern.exec(given);
  if (ago !== null) return agoOf(`${ago[1]} ${ago[2]}`, now);
  const clock = clockPattern.exec(given);
  if (clock !== null) return latestOf(clock, now, zone);
  const iso = isoPattern.exec(given);
  return iso === null ? undefined : isoTime(iso, zone);
}

function agoOf(duration: string, now: number): number | undefined {
  try {
    return wholeMs(now - durationMs(duration as StringValue));
  } catch (error) {
    if (error instanceof TypeError) return undefined; // not a duration
    throw error;
  }
}

/** The latest time of day that is not in the future. */
function latestOf(
  [, hour, minute, second = '0', fraction]: RegExpExecArray,
  now: number,
  zone: TimeZoneChoice,
): number | undefined {
  const [h, m, s] = [Number(hour), Number(minute), Number(second)];
  if (h > 23 || m > 59 || s > 59) return undefined;
  const today = new Date(now);
  const on = (daysAgo: number): number[] =>
    zone === 'utc'
      ? [Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate() - daysAgo, h, m, s)]
      : localInstants(new Date(today.getFullYear(), today.getMonth(), today.getDate() - daysAgo, h, m, s));
  return withFraction(Math.max(...[...on(0), ...on(1), ...on(2)].filter((at) => at <= now)), fraction);
}

/** Where the clock is set back, the same local time comes twice. `Date` takes the first one. */
function localInstants(first: Date): number[] {
  const later = new Date(first.getTime() + 3 * 3_600_000).getTimezoneOffset();
  const second = new Date(first.getTime() + (later - first.getTimezoneOffset()) * 60_000);
  const isSame = second.getHours() === first.getHours() && second.getMinutes() === first.getMinutes();
  return isSame ? [first.getTime(), second.getTime()] : [first.getTime()];
}

function isoTime(match: RegExpExecArray, zone: TimeZoneChoice): number | undefined {
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction, offset] = match;
  const parts = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [y, mo, d, h, m, s] = parts;
  if (mo < 1 || mo > 12 || h > 23 || m > 59 || s > 59) return undefined;
  const utc = new Date(0);
  utc.setUTCFullYear(y, mo - 1, d);
  utc.setUTCHours(h, m, s);
  // Date accepts 30 February as 2 March.
  if (utc.getUTCDate() !== d) return undefined;
  if (offset !== undefined) return withFraction(utc.getTime() - offsetMs(offset), fraction);
  if (zone === 'utc') return withFraction(utc.getTime(), fraction);
  const local = new Date(0);
  local.setFullYear(y, mo - 1, d);
  local.setHours(h, m, s, 0);
  return withFraction(local.getTime(), fraction);
}

function offsetMs(offset: string): number {
  if (offset.toUpperCase() === 'Z') return 0;
  const digits = offset.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (offset.startsWith('-') ? -minutes : minutes) * 60_000;
}

function withFraction(ms: number, fraction: string | undefined): number {
  if (fraction === undefined || fraction.length <= 3) return wholeMs(ms + Number((fraction ?? '').padEnd(3, '0')));
  return ms * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

function wholeMs(ms: number): number {
  return ms * 1000 + 999;
}

/** A time in UTC with µs, which `pastTime` reads back exactly. */
export function exactTime(micros: number): string {
  const iso = new Date(Math.floor(micros / 1000)).toISOString();
  return `${iso.slice(0, -1)}${String(micros % 1000).padStart(3, '0')}Z`;
}

/** A time with its zone, for people: `2026-11-30 14:03:00.000 +01:00 (Europe/Berlin)`. */
export function zonedTime(at: Date, zone: TimeZoneChoice = 'local'): string {
  const offset = zone === 'utc' ? 0 : -at.getTimezoneOffset();
  const shifted = new Date(at.getTime() + offset * 60_000).toISOString();
  const two = (value: number): string => String(value).padStart(2, '0');
  const size = Math.abs(offset);
  const sign = `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  const name = zone === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${shifted.slice(0, 10)} ${shifted.slice(11, 23)} ${sign} (${name})`;
}
