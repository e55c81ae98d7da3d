// Rows of `checkpoints`: cached states of contexts. Writes them without waiting for the disk, finds the newest valid one
// at or before a point, and lists them. A row that its two hashes do not prove is passed over: the log has the state.
import { zstdDecompressSync } from 'node:zlib';
import {
  type CheckpointFault,
  type CheckpointTrigger,
  checkpointSchemaVersion,
} from '../../core/recovery/checkpoint.ts';
import { eventCode } from '../../core/log/event.ts';
import { type LineSegment, seqMax } from '../../core/log/line.ts';
import { checkedRunId, readLine, rowsOf } from '../log/line.ts';
import type { Database } from '../sql/database.ts';
import { sha256 } from '../codec/sha256.ts';

export interface NewCheckpoint {
  readonly runId: string;
  /** The end of a turn, and its hash. */
  readonly seq: number;
  readonly logHash: Uint8Array;
  /** Seq of the last patch in the state. */
  readonly contextSeq: number;
  readonly name: string | undefined;
  readonly trigger: CheckpointTrigger;
  /** JSON text of the state, compressed with zstd; `bytes`: before compression. */
  readonly state: Uint8Array;
  readonly bytes: number;
  readonly progress: number | undefined;
  /** Number of context patches of the run so far. */
  readonly patches: number;
  readonly worker: number | undefined;
  readonly pinned: boolean;
}

/** A second checkpoint at the same seq replaces the state. A name that the row has stays, and so does a pin. */
export async function writeCheckpoint(database: Database, row: NewCheckpoint): Promise<void> {
  await upsert(database, row, 'true');
}

/** Writes nothing when the row at the seq has a name already; then gives that name. */
export async function writeNamed(
  database: Database,
  row: NewCheckpoint & { readonly name: string },
): Promise<{ readonly taken: string | undefined }> {
  if (await upsert(database, row, 'c.name is null')) return { taken: undefined };
  const { rows } = await database.pool.query<{ name: string }>(
    `select name from ${database.schema}.checkpoints where run_id = $1 and seq = $2`,
    [row.runId, row.seq],
  );
  return { taken: rows[0]?.name ?? row.name };
}

/** `condition`: on the row `c` that is there already. False when it does not hold. */
async function upsert({ pool, schema }: Database, row: NewCheckpoint, condition: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `insert into ${schema}.checkpoints as c (run_id, seq, context_seq, name, trigger, state, progress, patches, bytes,
  state_hash, log_hash, schema_version, worker, pinned)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 where set_config('synchronous_commit', 'off', true) is not null
on conflict (run_id, seq) do update set context_seq = excluded.context_seq, name = coalesce(c.name, excluded.name),
  trigger = excluded.trigger, state = excluded.state, progress = excluded.progress, patches = excluded.patches,
  bytes = excluded.bytes, state_hash = excluded.state_hash, log_hash = excluded.log_hash,
  schema_version = excluded.schema_version, worker = excluded.worker, pinned = c.pinned or excluded.pinned
where ${condition}`,
    [
      row.runId,
      row.seq,
      row.contextSeq,
      row.name ?? null,
      row.trigger,
      row.state,
      row.progress ?? null,
      row.patches,
      row.bytes,
      stateHash(row),
      row.logHash,
      checkpointSchemaVersion,
      row.worker ?? null,
      row.pinned,
    ],
  );
  return rowCount === 1;
}

export interface CachedState {
  readonly contextSeq: number;
  readonly patches: number;
  /** JSON text of the document. */
  readonly text: string;
}

interface StateRow {
  seq: number;
  context_seq: number;
  patches: number;
  bytes: number;
  name: string | null;
  state: Buffer;
  state_hash: Buffer;
  log_hash: Buffer;
  schema_version: number;
  turn_hash: Buffer | null;
}

/**
 * The newest valid checkpoint whose state is the one at `upTo`, or an earlier one; undefined when there is none. A row
 * counts only on the segment of the line that its run has there. Emits `checkpointRejected` for each row that is passed
 * over.
 */
export async function newestValid(
  database: Database,
  runId: string,
  upTo: number,
): Promise<{ cached: CachedState | undefined; rejected: CheckpointFault[] }> {
  const rejected: CheckpointFault[] = [];
  for (const segment of (await readLine(database, runId)).reverse()) {
    for (const passedOver: number[] = []; segment.first <= upTo; ) {
      const row = await newestRow(database, segment, upTo, passedOver);
      if (row === undefined) break;
      const problem = problemOf(row);
      if (problem === undefined) {
        const text = zstdDecompressSync(row.state, { maxOutputLength: Math.max(1, row.bytes) }).toString();
        return { cached: { contextSeq: row.context_seq, patches: row.patches, text }, rejected };
      }
      passedOver.push(row.seq);
      const fault = { runId: segment.runId, seq: row.seq, name: row.name ?? undefined, problem };
      rejected.push(fault);
      database.local.emit('checkpointRejected', fault);
    }
  }
  return { cached: undefined, rejected };
}

const stateColumns =
  'c.seq, c.context_seq, c.patches, c.bytes, c.name, c.state, c.state_hash, c.log_hash, c.schema_version';

async function newestRow(
  { pool, schema }: Database,
  { runId, first, last }: LineSegment,
  upTo: number,
  passedOver: readonly number[],
): Promise<StateRow | undefined> {
  const rows =
    `select ${stateColumns} from ${schema}.checkpoints c where c.run_id = $1 and c.seq between ${first} and ${last} ` +
    'and c.seq <> all($3::int[])';
  const found = await pool.query<StateRow>(
    // The row behind the point has the same state when no patch lies between.
    `select c.*, e.hash as turn_hash from (
  select * from (${rows} and c.seq > $2 order by c.seq limit 1) next where context_seq <= $2
  union all (${rows} and c.seq <= $2 order by c.seq desc limit 1)
  order by seq desc limit 1) c
left join lateral (select hash from ${schema}.events where run_id = $1 and seq = c.seq limit 1) e on true`,
    [runId, Math.min(upTo, seqMax), passedOver],
  );
  return found.rows[0];
}

function problemOf(row: StateRow): string | undefined {
  if (row.schema_version !== checkpointSchemaVersion) return `its format ${row.schema_version} is unknown`;
  if (row.turn_hash === null) return `the log has no turn that ends at seq ${row.seq}`;
  if (!row.log_hash.equals(row.turn_hash)) return 'it does not belong to this log (log_hash differs)';
  const { seq, context_seq: contextSeq, patches, bytes, state } = row;
  if (!row.state_hash.equals(stateHash({ seq, contextSeq, patches, bytes, state })))
    return 'it is damaged (state_hash differs)';
  return undefined;
}

/** Covers what a reader relies on: the stored bytes, and the numbers that say what they are. */
function stateHash({
  seq,
  contextSeq,
  patches,
  bytes,
  state,
}: Pick<NewCheckpoint, 'seq' | 'contextSeq' | 'patches' | 'bytes' | 'state'>): Uint8Array {
  const numbers = Buffer.alloc(16);
  for (const [i, number] of [seq, contextSeq, patches, bytes].entries()) numbers.writeInt32BE(number, i * 4);
  return sha256(Buffer.concat([numbers, state]));
}

/** A checkpoint as lists show it. */
export interface CheckpointInfo {
  readonly runId: string;
  /** The end of the turn, or of a name without a row the seq of its event. */
  readonly seq: number;
  readonly name: string | undefined;
  readonly trigger: CheckpointTrigger;
  /** Size of the JSON text; 0 when nothing is stored. */
  readonly bytes: number;
  readonly storedBytes: number;
  readonly patches: number | undefined;
  readonly progress: number | undefined;
  readonly pinned: boolean;
  readonly at: Date;
  /** False: the name is in the log, but no state is cached there. It can be used as a point all the same. */
  readonly isStored: boolean;
  /** Why readers pass the state over; set only when it was checked and is faulty. */
  readonly problem?: string;
}

interface InfoRow {
  run_id: string;
  seq: number;
  name: string | null;
  trigger: CheckpointTrigger;
  bytes: number;
  stored: number;
  patches: number | null;
  progress: number | null;
  pinned: boolean;
  at: Date;
  is_stored: boolean;
}

/** Cached states of a run and names without one, in the order of their seqs. */
export async function listCheckpoints(database: Database, runId: string, isChecked = false): Promise<CheckpointInfo[]> {
  const { pool, schema } = database;
  const line = await readLine(database, runId);
  const onLine = line
    .map(
      (segment) =>
        `(c.run_id = '${checkedRunId(segment.runId)}' and c.seq between ${segment.first} and ${segment.last})`,
    )
    .join(' or ');
  const { rows } = await pool.query<InfoRow>(
    `select run_id, seq, name, trigger, bytes, octet_length(state) as stored, patches, progress, pinned, at, true as is_stored
from ${schema}.checkpoints c where ${onLine}
union all
select e.run_id, e.seq, e.name, 'manual', 0, 0, null, null, false, e.at, false
from (select * from ${rowsOf(schema, line)} and type = ${eventCode.CheckpointSaved}) e
where not exists (select from ${schema}.checkpoints c where (${onLine}) and c.name = e.name and c.seq >= e.seq)
order by seq`,
  );
  const problems = isChecked ? await problemsOf(database, onLine) : new Map<number, string>();
  return rows.map((row) => infoOf(row, problems.get(row.seq)));
}

function infoOf(row: InfoRow, problem: string | undefined): CheckpointInfo {
  return {
    runId: row.run_id,
    seq: row.seq,
    name: row.name ?? undefined,
    trigger: row.trigger,
    bytes: row.bytes,
    storedBytes: row.stored,
    patches: row.patches ?? undefined,
    progress: row.progress ?? undefined,
    pinned: row.pinned,
    at: row.at,
    isStored: row.is_stored,
    ...(row.is_stored && problem !== undefined ? { problem } : {}),
  };
}

/** Why states no longer prove themselves, by seq. */
async function problemsOf({ pool, schema }: Database, onLine: string): Promise<Map<number, string>> {
  const { rows } = await pool.query<StateRow>(
    `select ${stateColumns}, e.hash as turn_hash from ${schema}.checkpoints c
left join lateral (select hash from ${schema}.events where run_id = c.run_id and seq = c.seq limit 1) e on true where ${onLine}`,
  );
  return new Map(
    rows.flatMap((row) => {
      const problem = problemOf(row);
      return problem === undefined ? [] : [[row.seq, problem] as const];
    }),
  );
}
