// What the parts that work on runs share: the settings of their worker, and the objects that most of them use.
import type { Logger } from 'pino';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { Database } from '../../store/sql/database.ts';
import type { ProgressStore } from '../activities/progress-store.ts';
import type { OwnedRuns } from '../cache/owned-runs.ts';
import type { ClaimSource } from '../claim/claim-sources.ts';
import type { AnnouncedMail } from '../turns/announced-mail.ts';
import type { RunInputs } from '../turns/run-inputs.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';
import type { DatabaseClock } from './clock.ts';
import type { ControlSession } from './control-session.ts';
import type { FailPointListener } from './fail-point.ts';
import type { Life } from './life.ts';

export interface RunWorker {
  readonly database: Database;
  readonly sandbox: Sandbox;
  readonly life: Life;
  readonly control: ControlSession;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  readonly runs: OwnedRuns;
  readonly inputs: RunInputs;
  readonly announcedMail: AnnouncedMail;
  readonly progress: ProgressStore;
  readonly namespace: string;
  /** The key of the task queue. */
  readonly queue: string;
  /** Where standalone activities of the task queue wait. */
  readonly standaloneQueue: string;
  /** Where due runs wait for this worker. */
  readonly sources: readonly ClaimSource[];
  /** Undefined for a worker without a version. */
  readonly versions: WorkerVersions | undefined;
  /** False for a worker that executes activities alone. */
  readonly takesRuns: boolean;
  /** 0: a run stays in memory only while it has something to do. */
  readonly maxCachedRuns: number;
  readonly maxPayloadBytes: number;
  readonly leaseMs: number;
  readonly failPoint?: FailPointListener | undefined;
}
