// A run in quarantine as people are shown it: what went wrong in the engine, how often in a row, and when the run is tried
// again.
import { RuntimeError } from '../failure/runtime-error.ts';
import { backOffMs } from './back-off.ts';

export interface QuarantineInfo {
  readonly code: 'RUN_QUARANTINED';
  /** Code of the failure: one of `ErrorCode`, a SQLSTATE, or the name of the error. */
  readonly cause: string;
  readonly message: string;
  /** Failures in a row. */
  readonly attempt: number;
  /** First of the failures in a row. */
  readonly since: Date;
  /** No worker takes the run before this time. */
  readonly nextAttempt: Date;
  /** Epoch of the worker that failed last. */
  readonly epoch: number;
}

/** How long a run that failed so many times in a row stays in quarantine. */
export function quarantineDelayMs(failures: number): number {
  return backOffMs(failures, { firstMs: 1_000, maxMs: 120_000 });
}

const messageMax = 4_000;

/** What the quarantine says of an error. */
export function quarantineCause(error: unknown): { readonly cause: string; readonly message: string } {
  if (!(error instanceof Error)) return { cause: 'Error', message: String(error).slice(0, messageMax) };
  const { code } = error as { code?: unknown };
  const cause = error instanceof RuntimeError || typeof code === 'string' ? String(code) : error.name;
  // Text in Postgres holds no NUL.
  return { cause, message: error.message.replaceAll('\0', '').slice(0, messageMax) };
}
