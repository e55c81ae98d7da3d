// The settings of a worker, and the objects that its activity code shares. Contains data only.
import type { Logger } from 'pino';
import type { Database } from '../../store/sql/database.ts';
import type { TaskSource } from '../claim/claim-sources.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { ControlSession } from '../life/control-session.ts';
import type { FailPointListener } from '../life/fail-point.ts';
import type { Life } from '../life/life.ts';
import type { AnnouncedMail } from '../turns/announced-mail.ts';
import type { RunInputs } from '../turns/run-inputs.ts';
import type { Activities } from './activity-context.ts';
import type { HeartbeatThrottle } from './attempt-progress.ts';
import type { ProgressStore } from './progress-store.ts';

export interface ActivityLimits {
  readonly maxConcurrent: number;
  /** Limit of local activities, which have their own slots and no rate limit. */
  readonly maxConcurrentLocal: number;
  /** False: this worker executes activities only for local calls; other workers of the queue execute the rest. */
  readonly takesNonLocal: boolean;
  /**
   * Limits of started activities: of this worker, and of all workers of the task queue together. Undefined: no limit.
   */
  readonly maxActivitiesPerSecond?: number | undefined;
  readonly maxTaskQueueActivitiesPerSecond?: number | undefined;
  readonly heartbeatThrottle: HeartbeatThrottle;
}

export interface ActivityWorker extends ActivityLimits {
  readonly activities: Activities;
  /** Returns a client on the worker's connection, for activities that request one. */
  readonly client: () => unknown;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  /** Key of the task queue. */
  readonly queue: string;
  /** The queue where standalone activities of the task queue wait. */
  readonly standaloneQueue: string;
  /** The queues where activities of other workers' runs wait. */
  readonly sources: readonly TaskSource[];
  readonly maxPayloadBytes: number;
  readonly database: Database;
  readonly life: Life;
  readonly control: ControlSession;
  readonly inputs: RunInputs;
  readonly announcedMail: AnnouncedMail;
  readonly progress: ProgressStore;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  readonly failPoint?: FailPointListener | undefined;
}
