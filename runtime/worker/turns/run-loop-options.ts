// What the loop over a worker's runs needs, and whom it tells.
import type { Logger } from 'pino';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { Database } from '../../store/sql/database.ts';
import type { ActivityDesk } from '../activities/activity-desk.ts';
import type { ProgressStore } from '../activities/progress-store.ts';
import type { OwnedRuns } from '../cache/owned-runs.ts';
import type { ControlSession } from '../life/control-session.ts';
import type { Life } from '../life/life.ts';
import type { AnnouncedMail } from './announced-mail.ts';
import type { Appender } from './appender.ts';
import type { RunInputs } from './run-inputs.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { VersionOptions } from '../versions/version-watch.ts';

export interface RunLoopOptions extends VersionOptions {
  readonly database: Database;
  readonly life: Life;
  readonly runs: OwnedRuns;
  readonly inputs: RunInputs;
  readonly announced: AnnouncedMail;
  readonly activities: ActivityDesk;
  readonly control: ControlSession;
  readonly progress: ProgressStore;
  readonly sandbox: Sandbox;
  readonly appender: Appender;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  readonly maxCachedRuns: number;
  readonly maxPayloadBytes: number;
}
