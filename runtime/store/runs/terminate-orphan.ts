// Terminates a run whose owner was told to do so and may be dead.
import { setTimeout } from 'node:timers/promises';
import { SilentOwner } from '../ownership/silent-owner.ts';
import type { Database } from '../sql/database.ts';
import { isLockTimeout } from '../sql/sqlstate.ts';
import { terminateUnowned } from './close-run.ts';

const pollMs = 500;

/** Waits until `signal` aborts, or until the run has no owner and is terminated. */
export async function terminateOrphan(
  database: Database,
  runId: string,
  why: { readonly reason: string | null; readonly actor: string | null },
  signal: AbortSignal,
): Promise<void> {
  const owner = new SilentOwner(database, runId);
  while (!signal.aborted) {
    const ownership = await owner.look();
    if (ownership === 'closed') return;
    if (ownership === 'free') {
      // If another session holds the row, the next round tries again.
      const result = await terminateUnowned(database, runId, why.reason, why.actor).catch((error: unknown) => {
        if (!isLockTimeout(error)) throw error;
      });
      if (result === 'ended' || result === 'closed') return;
    }
    await setTimeout(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
