// A quarantined run for display: what failed in the engine, how often in a row, and when the run is retried.
import { RuntimeError } from '../failure/runtime-error.ts';
import { backOffMs } from './back-off.ts';

export interface QuarantineInfo {
  readonly code: 'RUN_QUARANTINED';
  /** Code of the failure: an `ErrorCode`, a SQLSTATE, or the name of the error. */
  readonly cause: string;
  readonly message: string;
  readonly attempt: number;
  /** Time of the first of these consecutive failures. */
  readonly since: Date;
  /** No worker claims the run before this time. */
  readonly nextAttempt: Date;
  /** Epoch of the worker that failed last. */
  readonly epoch: number;
}

/** How long a run stays in quarantine after this many failures in a row, ms. */
export function quarantineDelayMs(failures: number): number {
  return backOffMs(failures, { firstMs: 1_000, maxMs: 120_000 });
}

const messageMax = 4_000;

/** Cause and message that the quarantine records for an error. */
export function quarantineCause(error: unknown): { readonly cause: string; readonly message: string } {
  if (!(error instanceof Error)) return { cause: 'Error', message: String(error).slice(0, messageMax) };
  const { code } = error as { code?: unknown };
  const cause = error instanceof RuntimeError || typeof code === 'string' ? String(code) : error.name;
  // Text in Postgres cannot hold NUL.
  return { cause, message: error.message.replaceAll('\0', '').slice(0, messageMax) };
}
