// Fragments of SQL that several statements share: times as microseconds, and the wake time of a run that gets mail.

/** A time as µs since 1970. Null for `infinity`: only a manual edit writes it, and it must not fail other rows. */
export function microsOf(column: string): string {
  return `case when isfinite(${column}) then (extract(epoch from ${column}) * 1000000)::bigint end`;
}

/** µs since 1970 as a time. */
export function timeOf(micros: string): string {
  return `timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond'`;
}

/** The wake time of the `ready` row `r` after a message: a run that nobody owns becomes due. */
export const wakenAt = 'case when r.owner is null then least(r.wake_at, clock_timestamp()) else r.wake_at end';
