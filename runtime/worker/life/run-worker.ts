// The settings of a worker, and the objects that most parts working on its runs share.
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
  /** Key of the task queue. */
  readonly queue: string;
  /** The queue where standalone activities of the task queue wait. */
  readonly standaloneQueue: string;
  /** The queues where due runs wait for this worker. */
  readonly sources: readonly ClaimSource[];
  /** Undefined for a worker without a version. */
  readonly versions: WorkerVersions | undefined;
  /** False for a worker that only executes activities. */
  readonly takesRuns: boolean;
  /** 0: a run stays in memory only while it has work. */
  readonly maxCachedRuns: number;
  readonly maxPayloadBytes: number;
  readonly leaseMs: number;
  readonly failPoint?: FailPointListener | undefined;
}
