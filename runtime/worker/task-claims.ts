// Claims activities of other workers' runs from all queues that they may wait in for this worker.
import type { Logger } from 'pino';
import { type ActivityTypes, type ClaimedTask, claimTasks } from '../store/activity-tasks.ts';
import type { Fence } from '../store/claim.ts';
import type { TaskSource } from './claims.ts';
import type { DatabaseClock } from './clock.ts';

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

/** @throws what the first statement throws: what was claimed by then is to be executed */
export async function claimFromAll(options: TaskClaimsOptions, limit: number): Promise<readonly ClaimedTask[]> {
  const { schema, fence, sources, types, clock, logger, serially } = options;
  const claimed: ClaimedTask[] = [];
  for (const { queue, versioned, isOpen } of sources) {
    if (claimed.length >= limit || !isOpen()) continue;
    const due = { queue, types, versioned, now: clock.now(), limit: limit - claimed.length };
    try {
      claimed.push(...(await serially((client) => claimTasks(client, schema, fence, due))));
    } catch (error) {
      if (claimed.length === 0) throw error;
      logger.warn({ err: error }, 'activities could not be claimed, will try again');
      break;
    }
  }
  return claimed;
}
