// Reads the runs that came from each other: all runs of a workflow id, their children and forks, and their origins.
// Goes from one workflow id to the next, so a long chain of runs costs one statement.
import type { RunStatus } from '../../core/log/transition.ts';
import type { LineageRow } from '../../core/run/lineage-tree.ts';
import type { StartedMeta } from '../../core/run/start-meta.ts';
import type { Database } from '../sql/database.ts';

export interface FoundLineage {
  readonly rows: readonly LineageRow[];
  /** False when there are more runs than the limit. */
  readonly isComplete: boolean;
}

/** At most `limit` runs. Of each workflow id, the newest ones. */
export async function readLineage(
  database: Database,
  { namespace, workflowId, limit }: { namespace: string; workflowId: string; limit: number },
): Promise<FoundLineage> {
  const rows = new Map<string, LineageRow>();
  const seen = new Set<string>();
  let isComplete = true;
  let workflowIds = [workflowId];
  while (workflowIds.length > 0) {
    const left = limit - rows.size;
    const found = await readRuns(database, namespace, workflowIds, left + 1);
    for (const row of found.slice(0, left)) rows.set(row.runId, row);
    for (const id of workflowIds) seen.add(id);
    if (found.length > left) {
      isComplete = false;
      break;
    }
    const related = await relatedIds(database, namespace, found);
    workflowIds = related.filter((id) => !seen.has(id));
  }
  return { rows: [...rows.values()], isComplete };
}

interface Row {
  run_id: string;
  workflow_id: string;
  workflow_type: string;
  status: RunStatus;
  started_at: Date;
  closed_at: Date | null;
  forked_from: string | null;
  forked_seq: number | null;
  taken_over_by: string | null;
  kind: 'replay' | null;
  start: Partial<StartedMeta> | null;
  fork_verb: string | null;
  fork_actor: string | null;
  fork_reason: string | null;
  close_reason: string | null;
}

async function readRuns(
  { pool, schema }: Database,
  namespace: string,
  workflowIds: readonly string[],
  limit: number,
): Promise<LineageRow[]> {
  // Looks up each event in the index: a join may be planned as a scan of the whole log.
  const event = (columns: string, seq: string): string =>
    `(select ${columns} from ${schema}.events where run_id = r.run_id and seq = ${seq} limit 1)`;
  const { rows } = await pool.query<Row>(
    `select r.run_id, r.workflow_id, r.workflow_type, r.status, r.started_at, r.closed_at, r.forked_from, r.forked_seq,
  r.taken_over_by, r.kind,
  ${event("(meta::jsonb - 'lastResult' - 'lastFailure')", '1')} as start,
  ${event('name', 'r.forked_seq + 1')} as fork_verb, ${event('source_id', 'r.forked_seq + 1')} as fork_actor,
  ${event('reason', 'r.forked_seq + 1')} as fork_reason, ${event('reason', 'r.final_seq')} as close_reason
from unnest($2::text[]) as given(id)
cross join lateral (select * from ${schema}.runs where namespace = $1 and workflow_id = given.id
  order by run_id desc limit $3) r
limit $3`,
    [namespace, workflowIds, limit],
  );
  return rows.map((row) => ({
    runId: row.run_id,
    workflowId: row.workflow_id,
    workflowType: row.workflow_type,
    status: row.status,
    startedAt: row.started_at,
    closedAt: row.closed_at ?? undefined,
    forkedFrom: row.forked_from ?? undefined,
    forkedSeq: row.forked_seq ?? undefined,
    takenOverBy: row.taken_over_by ?? undefined,
    isReplay: row.kind === 'replay',
    start: row.start ?? {},
    forkVerb: row.fork_verb ?? undefined,
    forkActor: row.fork_actor ?? undefined,
    forkReason: row.fork_reason ?? undefined,
    closeReason: row.close_reason ?? undefined,
  }));
}

/** Workflow ids of the children, the forks and the origins of runs. */
async function relatedIds(
  { pool, schema }: Database,
  namespace: string,
  runs: readonly LineageRow[],
): Promise<string[]> {
  const { rows } = await pool.query<{ workflow_id: string }>(
    `select workflow_id from ${schema}.runs where namespace = $1 and parent_run_id = any($2::uuid[])
union select workflow_id from ${schema}.runs where namespace = $1 and forked_from = any($2::uuid[])
union select workflow_id from ${schema}.runs where namespace = $1 and run_id = any($3::uuid[])`,
    [
      namespace,
      runs.map(({ runId }) => runId),
      runs.flatMap(({ forkedFrom }) => (forkedFrom === undefined ? [] : [forkedFrom])),
    ],
  );
  return rows.map((row) => row.workflow_id);
}
