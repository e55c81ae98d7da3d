// What the loop over a worker's runs needs, and whom it tells.
import type { Logger } from 'pino';
import type { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { ParkedRun } from '../../store/ownership/claim.ts';
import type { Database } from '../../store/sql/database.ts';
import type { Appender } from './appender.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { VersionOptions } from '../versions/version-watch.ts';

export interface RunLoopOptions extends VersionOptions {
  readonly database: Database;
  readonly epoch: number;
  readonly sandbox: Sandbox;
  readonly appender: Appender;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  readonly maxCachedRuns: number;
  readonly maxPayloadBytes: number;
  /** Lets go of runs; answers with the ids that were let go. */
  park(runs: readonly ParkedRun[]): Promise<string[]>;
  /** Something that leaves the incarnation unable to go on. */
  fatal(error: RuntimeError): void;
}
