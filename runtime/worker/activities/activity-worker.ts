// What the parts that execute activities know of their worker: its settings, and the objects that they share. Data alone.
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
  /** Local activities have slots of their own, and no rate. */
  readonly maxConcurrentLocal: number;
  /** False: the activities here serve local calls only; other workers of the queue take the others. */
  readonly takesNonLocal: boolean;
  /** Starts of activities by this worker, and by all of the queue; undefined: without limit. */
  readonly maxActivitiesPerSecond?: number | undefined;
  readonly maxTaskQueueActivitiesPerSecond?: number | undefined;
  readonly heartbeatThrottle: HeartbeatThrottle;
}

export interface ActivityWorker extends ActivityLimits {
  readonly activities: Activities;
  /** A client of the worker's, for activities that ask for one. */
  readonly client: () => unknown;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  /** The key of the task queue. */
  readonly queue: string;
  /** Where standalone activities of the task queue wait. */
  readonly standaloneQueue: string;
  /** Where activities of other workers' runs wait. */
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
