// Helpers that Temporal's common package exports for old code: durations, timestamps, bytes, texts and error messages.
import { type Duration, durationMs } from '../../runtime/core/options/duration.ts';
import { ValueError } from '../../runtime/core/failure/value-error.ts';

/** A timestamp of Temporal's protocol, whose seconds may be a Long. */
export interface Timestamp {
  readonly seconds?: number | { toNumber(): number } | null;
  readonly nanos?: number | null;
}

/** @deprecated */
export function msToNumber(duration: Duration): number {
  return durationMs(duration);
}

/** @deprecated */
export function msOptionalToNumber(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : durationMs(duration);
}

/** @deprecated @throws ValueError for NaN */
export function msNumberToTs(ms: number): { readonly seconds: number; readonly nanos: number } {
  if (Number.isNaN(ms)) throw new ValueError(`Invalid millis ${ms}`);
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

/** @deprecated */
export function msToTs(duration: Duration): { readonly seconds: number; readonly nanos: number } {
  return msNumberToTs(durationMs(duration));
}

/** @deprecated Returns undefined for undefined, null and 0. */
export function msOptionalToTs(
  duration: Duration | undefined | null,
): { readonly seconds: number; readonly nanos: number } | undefined {
  return duration ? msToTs(duration) : undefined;
}

/** @deprecated */
export function tsToMs(timestamp: Timestamp | null | undefined): number {
  if (timestamp === undefined || timestamp === null) throw new Error(`Expected timestamp, got ${String(timestamp)}`);
  const seconds = timestamp.seconds ?? 0;
  const whole = typeof seconds === 'number' ? seconds : seconds.toNumber();
  return whole * 1000 + Math.floor((timestamp.nanos ?? 0) / 1_000_000);
}

/** @deprecated */
export function optionalTsToMs(timestamp: Timestamp | null | undefined): number | undefined {
  return timestamp === undefined || timestamp === null ? undefined : tsToMs(timestamp);
}

/** @deprecated */
export function tsToDate(timestamp: Timestamp): Date {
  return new Date(tsToMs(timestamp));
}

/** @deprecated */
export function optionalTsToDate(timestamp: Timestamp | null | undefined): Date | undefined {
  return timestamp === undefined || timestamp === null ? undefined : tsToDate(timestamp);
}

/** @deprecated */
export function u8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** @deprecated */
export function str(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** @deprecated */
export function errorMessage(error: unknown): string | undefined {
  if (typeof error === 'string') return error;
  const { message } = Object(error) as { message?: unknown };
  return typeof message === 'string' ? message : undefined;
}

/** @deprecated */
export function errorCode(error: unknown): string | undefined {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
