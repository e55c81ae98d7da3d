// Durations as users write them.
import ms from 'ms';

/** Milliseconds, or a text that the package `ms` reads: '30 days', '1.5h', '500ms'. */
export type Duration = number | StringValue;
export type StringValue = ms.StringValue;

/** Duration in ms. @throws TypeError for a non-finite number or a text that `ms` cannot read */
export function durationMs(duration: Duration): number {
  if (typeof duration === 'number' && Number.isFinite(duration)) return duration;
  if (typeof duration === 'string') {
    // `ms` throws on '' and on texts over 100 characters, and returns undefined or NaN for texts it cannot read.
    const value: unknown = duration.length === 0 || duration.length > 100 ? undefined : ms(duration);
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new TypeError(`Invalid duration string: '${duration}'. Expected milliseconds or a text such as '5 minutes'`);
  }
  throw new TypeError(`Invalid duration: ${String(duration)}. Expected milliseconds or a text such as '30s'`);
}

/** The longest duration or delay: 100 years, in ms. The database and the log can hold sums of such times. */
export const longestMs: number = 100 * 365.25 * 86_400_000;

/** The longest delay of a Node timer, ms. Node fires a longer timer at once. */
export const timerMsMax = 2_147_483_647;

/** An option's duration in ms, from 0 to 100 years. @throws TypeError that names the option */
export function optionMs(option: string, duration: Duration): number {
  let value: number;
  try {
    value = durationMs(duration);
  } catch (cause) {
    throw new TypeError(`${option}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (value >= 0 && value <= longestMs) return value;
  throw new TypeError(`${option} is ${value} ms, expected 0 to 100 years`);
}

/** A timer's duration in ms, at least 1. */
export function timerMs(duration: Duration): number {
  return Math.max(1, durationMs(duration));
}
