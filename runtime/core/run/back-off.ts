// The delay after a number of failures in a row: the first delay, doubled each time up to a limit.

export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** `failures`: from 1. */
export function backOffMs(failures: number, { firstMs, maxMs }: BackOff): number {
  return Math.min(firstMs * 2 ** Math.min(failures - 1, 30), maxMs);
}
