// `Date` whose current time is the time of the turn. Everything else behaves as in the real Date.
import { maybeCurrentRun } from '../run/current-run.ts';

const RealDate = Date;

/**
 * 0 while no run is active, because a library that all runs share is loading then, and must get the same time on every
 * machine.
 */
function now(): number {
  return maybeCurrentRun()?.turn.nowMs ?? 0;
}

export function createDate(): DateConstructor {
  function WorkflowDate(...args: unknown[]): unknown {
    if (new.target === undefined) return new RealDate(now()).toString();
    return Reflect.construct(RealDate, args.length === 0 ? [now()] : args, new.target);
  }
  Object.defineProperties(WorkflowDate, {
    name: { value: 'Date' },
    length: { value: RealDate.length },
    prototype: { value: RealDate.prototype, writable: false },
    now: { value: now, writable: true, configurable: true },
    parse: { value: RealDate.parse, writable: true, configurable: true },
    UTC: { value: RealDate.UTC, writable: true, configurable: true },
  });
  return WorkflowDate as unknown as DateConstructor;
}

/** The part of ECMAScript's Temporal proposal (not the company Temporal) that tells the time. */
export interface TemporalNamespace {
  readonly Instant: { fromEpochMilliseconds(ms: number): Instant };
  readonly Now: object;
}
interface Instant {
  toZonedDateTimeISO(timeZone: unknown): ZonedDateTime;
}
interface ZonedDateTime {
  toPlainDateTime(): unknown;
  toPlainDate(): unknown;
  toPlainTime(): unknown;
}

/** `Temporal.Now` at the time of the turn. The default time zone is UTC, since machines differ. */
export function createTemporalNow(temporal: TemporalNamespace): object {
  const instant = (): Instant => temporal.Instant.fromEpochMilliseconds(now());
  const zoned = (timeZone: unknown = 'UTC'): ZonedDateTime => instant().toZonedDateTimeISO(timeZone);
  return {
    instant,
    timeZoneId: (): string => 'UTC',
    zonedDateTimeISO: zoned,
    plainDateTimeISO: (timeZone?: unknown): unknown => zoned(timeZone).toPlainDateTime(),
    plainDateISO: (timeZone?: unknown): unknown => zoned(timeZone).toPlainDate(),
    plainTimeISO: (timeZone?: unknown): unknown => zoned(timeZone).toPlainTime(),
  };
}
