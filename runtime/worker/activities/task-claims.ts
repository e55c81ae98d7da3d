// Claims activities of other workers' runs from all queues that they may wait in for this worker.
import type { Logger } from 'pino';
import type { ActivityTypes, ClaimedTask } from '../../store/activities/activity-tasks.ts';
import type { TaskSource } from '../claim/claims.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { ControlSession } from '../life/control-session.ts';

export interface TaskClaimsOptions {
  readonly sources: readonly TaskSource[];
  readonly types: ActivityTypes;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  claimTasks(due: Parameters<ControlSession['claimTasks']>[0]): Promise<ClaimedTask[]>;
}

/** Claims up to a number of tasks. @throws what the first statement throws: what was claimed by then is to be executed */
export type TaskClaims = (limit: number) => Promise<readonly ClaimedTask[]>;

/** Each time the queue is asked first that comes after the one that filled up the places: a busy one does not keep the others waiting. */
export function taskClaims(options: TaskClaimsOptions): TaskClaims {
  const { sources, types, clock, logger, claimTasks } = options;
  let first = 0;
  return async (limit) => {
    const claimed: ClaimedTask[] = [];
    const begin = first;
    for (let i = 0; i < sources.length && claimed.length < limit; i++) {
      const at = (begin + i) % sources.length;
      const { queue, versioned, isOpen } = sources[at]!;
      if (!isOpen()) continue;
      const due = { queue, types, versioned, now: clock.now(), limit: limit - claimed.length };
      try {
        claimed.push(...(await claimTasks(due)));
      } catch (error) {
        if (claimed.length === 0) throw error;
        logger.warn({ err: error }, 'activities could not be claimed, will try again');
        break;
      }
      if (claimed.length >= limit) first = (at + 1) % sources.length;
    }
    return claimed;
  };
}
