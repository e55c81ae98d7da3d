// Waits for what becomes of a message to a run: looks on each notice about it and at growing intervals.
import { updateKey } from '../../../runtime/store/messages/updates.ts';
import type { Connection } from '../../common/connection.ts';
import { limitReached, waitAtMost, whenAborted } from '../call-limits.ts';

export interface WatchedMessage {
  readonly connection: Connection;
  readonly runId: string;
  /** Id of the update or of the request. */
  readonly id: string;
}

/** The first wait between two looks, in ms. A notice ends the wait. */
const firstWaitMs = 5;
const longestWaitMs = 1_000;
/**
 * After this time, in ms, a message that is gone without an answer counts as lost with its worker. The time is
 * generous: a rejection arrives a little after the commit that consumes the message, and the same message, sent again,
 * might be accepted.
 */
export const lostAfterMs: number = 3_000;

/** Calls `look` until it finds something. `late` makes the error when the caller stops waiting. */
export async function watchMessage<T>(
  target: () => WatchedMessage,
  look: () => Promise<{ readonly value: T } | undefined>,
  late: (reached: string) => Error,
): Promise<T> {
  const abortion = whenAborted();
  try {
    for (let wait = firstWaitMs; ; wait = Math.min(wait * 2, longestWaitMs)) {
      const reached = limitReached();
      if (reached !== undefined) throw late(reached);
      const { connection, runId, id } = target();
      const key = updateKey(runId, id);
      const subscription = await connection.reach(() => connection.outcomes.subscribe(key));
      try {
        const found = await look();
        if (found !== undefined) return found.value;
        await Promise.race([subscription.within(waitAtMost(wait)), abortion.aborted]);
      } finally {
        subscription.done();
      }
    }
  } finally {
    abortion.done();
  }
}
