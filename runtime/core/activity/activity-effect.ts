// How an activity affects the outside world, as its function declares it.

/** Absent declarations count as `keyed`. */
export type ActivityEffect = 'none' | 'keyed' | 'unsafe';
