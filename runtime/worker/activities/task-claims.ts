// Claims activities of other workers' runs from all queues that they may wait in for this worker.
import type { Logger } from 'pino';
import { type ActivityTypes, type ClaimedTask, claimTasks } from '../../store/activities/activity-tasks.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { TaskSource } from '../claim/claims.ts';
import type { DatabaseClock } from '../life/clock.ts';

export interface TaskClaimsOptions {
  readonly schema: string;
  readonly fence: Fence;
  readonly sources: readonly TaskSource[];
  readonly types: ActivityTypes;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  /** One statement after the other on the connection that claims. */
  serially<T>(work: (client: Parameters<typeof claimTasks>[0]) => Promise<T>): Promise<T>;
}

/** Claims up to a number of tasks. @throws what the first statement throws: what was claimed by then is to be executed */
export type TaskClaims = (limit: number) => Promise<readonly ClaimedTask[]>;

/** Each time the queue is asked first that comes after the one that filled up the places: a busy one does not keep the others waiting. */
export function taskClaims(options: TaskClaimsOptions): TaskClaims {
  const { schema, fence, sources, types, clock, logger, serially } = options;
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
        claimed.push(...(await serially((client) => claimTasks(client, schema, fence, due))));
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
