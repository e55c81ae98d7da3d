// Retention: removes what the rules no longer keep, run by run, or counts it. Runs under a role of its own, because the
// role of the workers cannot delete from the log.
import { RuntimeError } from '../core/failure/runtime-error.ts';
import { type PruneOptions, retentionRules } from '../core/recovery/retention.ts';
import {
  countDueRuns,
  type DueCount,
  listDueRuns,
  pruneCheckpoints,
  pruneRight,
  pruneRun,
  pruneSystemCheckpoints,
} from '../store/retention/prune.ts';
import type { Database } from '../store/sql/database.ts';
import { isContention } from '../store/sql/sqlstate.ts';
import { FolderArchive } from './folder-archive.ts';

export interface PruneReport {
  /** True: nothing was deleted; the counts say what a prune would delete. */
  readonly dryRun: boolean;
  /** Closed runs, their events, and the size of these in the log. */
  readonly runs: DueCount;
  /** Checkpoints of the runs that stay. */
  readonly checkpoints: { readonly rows: number; readonly bytes: number };
  readonly systemCheckpoints: number;
  /** Due runs that stay for now: someone was forking, holding or reading them. The next prune tries again. */
  readonly passedOver: readonly string[];
}

const batch = 500;

/** @throws INVALID_INPUT, PRUNE_NOT_ALLOWED */
export async function prune(database: Database, options: PruneOptions): Promise<PruneReport> {
  const rules = retentionRules(options);
  const { dryRun = false, events } = options;
  if (!dryRun) await assertAllowed(database);
  let runs: DueCount = { runs: 0, events: 0, bytes: 0 };
  const passedOver: string[] = [];
  if (dryRun) runs = await countDueRuns(database, rules);
  else {
    const archive = events?.archive === undefined ? undefined : await FolderArchive.open(events.archive);
    for (;;) {
      const due = await listDueRuns(database, rules, { limit: batch, passedOver });
      if (due.length === 0) break;
      for (const runId of due) {
        const removed = await pruneRun(database, runId, rules, archive).catch((error: unknown) => {
          if (isContention(error)) return undefined;
          throw error;
        });
        if (removed === undefined) passedOver.push(runId);
        else runs = { runs: runs.runs + 1, events: runs.events + removed.events, bytes: runs.bytes + removed.bytes };
      }
    }
  }
  const checkpoints = await pruneCheckpoints(database, rules, dryRun);
  const systemCheckpoints = await pruneSystemCheckpoints(database, rules, dryRun);
  return { dryRun, runs, checkpoints, systemCheckpoints, passedOver };
}

async function assertAllowed(database: Database): Promise<void> {
  const { login, isAllowed } = await pruneRight(database);
  if (isAllowed) return;
  throw new RuntimeError(
    'PRUNE_NOT_ALLOWED',
    `The login "${login}" may not delete from the log, so nothing was pruned. Connect as the owner of the schema, or as a ` +
      `member of the role reprise_pruner: grant reprise_pruner to "${login}". A dry run needs no such right.`,
  );
}
