// System checkpoints: the last seq of every open run at one moment, in one row. A closed run has no later state, so its
// log alone says where it was. Copies no state.
import { randomUUID } from 'node:crypto';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { checkpointSchemaVersion } from '../../core/recovery/checkpoint.ts';
import type { Database } from '../sql/database.ts';
import { isUniqueViolation } from '../sql/sqlstate.ts';

export interface SystemCheckpoint {
  readonly id: string;
  readonly name: string;
  readonly at: Date;
  /** Position in the write-ahead log of Postgres; undefined on a standby. */
  readonly lsn: string | undefined;
  /** Number of runs that were open. */
  readonly runs: number;
}

interface Row {
  id: string;
  name: string;
  at: Date;
  lsn: string | null;
  runs: number;
}

const columns = `id, name, at, lsn, (select count(*)::int from json_object_keys(heads)) as runs`;

function checkpointOf({ id, name, at, lsn, runs }: Row): SystemCheckpoint {
  return { id, name, at, lsn: lsn ?? undefined, runs };
}

/** One statement, so that all heads are of the same moment. @throws CHECKPOINT_EXISTS */
export async function createSystemCheckpoint({ pool, schema }: Database, name: string): Promise<SystemCheckpoint> {
  try {
    const { rows } = await pool.query<Row>(
      `insert into ${schema}.system_checkpoints (id, name, lsn, heads, schema_version)
select $1, $2, case when not pg_is_in_recovery() then pg_current_wal_lsn()::text end,
  coalesce((select json_object_agg(r.run_id, head.seq) from ${schema}.ready r cross join lateral (
    select seq from ${schema}.events e where e.run_id = r.run_id order by seq desc limit 1) head), '{}'), $3
returning ${columns}`,
      [randomUUID(), name, checkpointSchemaVersion],
    );
    return checkpointOf(rows[0]!);
  } catch (cause) {
    if (!isUniqueViolation(cause)) throw cause;
    throw new RuntimeError('CHECKPOINT_EXISTS', `A system checkpoint "${name}" exists already. Choose another name.`, {
      cause,
    });
  }
}

/** Newest first. */
export async function listSystemCheckpoints({ pool, schema }: Database): Promise<SystemCheckpoint[]> {
  const { rows } = await pool.query<Row>(`select ${columns} from ${schema}.system_checkpoints order by at desc, id`);
  return rows.map(checkpointOf);
}

export interface SystemCheckpointReport extends SystemCheckpoint {
  readonly ok: boolean;
  /** Runs that have gone on since then. */
  readonly moved: number;
  /** Runs that retention has removed since then: they cannot be taken back. */
  readonly pruned: readonly string[];
  /** Runs whose log lost the event at the recorded seq. */
  readonly damaged: readonly string[];
  /** Set when this version of the package does not know the row's format. */
  readonly problem?: string;
}

/** Checks that the log still has the head of every run. `name`: the name or the id. @throws CHECKPOINT_NOT_FOUND */
export async function validateSystemCheckpoint(
  { pool, schema }: Database,
  name: string,
): Promise<SystemCheckpointReport> {
  const found = await pool.query<Row & { schema_version: number }>(
    `select ${columns}, schema_version from ${schema}.system_checkpoints where name = $1 or id::text = $1`,
    [name],
  );
  const row = found.rows[0];
  if (row === undefined) {
    throw new RuntimeError(
      'CHECKPOINT_NOT_FOUND',
      `There is no system checkpoint "${name}". \`reprise system checkpoints list\` lists them.`,
    );
  }
  const { rows } = await pool.query<{ run_id: string; is_kept: boolean; has_head: boolean; has_moved: boolean }>(
    `select h.key as run_id, r.run_id is not null as is_kept,
  exists (select from ${schema}.events e where e.run_id = h.key::uuid and e.seq = h.value::int) as has_head,
  exists (select from ${schema}.events e where e.run_id = h.key::uuid and e.seq > h.value::int) as has_moved
from ${schema}.system_checkpoints c cross join lateral json_each_text(c.heads) h
left join ${schema}.runs r on r.run_id = h.key::uuid where c.id = $1`,
    [row.id],
  );
  const damaged = rows.filter((run) => run.is_kept && !run.has_head).map((run) => run.run_id);
  const isKnown = row.schema_version === checkpointSchemaVersion;
  return {
    ...checkpointOf(row),
    ok: isKnown && damaged.length === 0,
    moved: rows.filter((run) => run.has_moved).length,
    pruned: rows.filter((run) => !run.is_kept).map((run) => run.run_id),
    damaged,
    ...(isKnown ? {} : { problem: `its format ${row.schema_version} is unknown to this version of reprise` }),
  };
}
