// Progress of running attempts, kept for the next attempt. Writes do not wait for the disk: if a crash loses the last
// report, the next attempt only repeats some work.
import type { ActivityPlace } from '../../core/activity/activity-places.ts';
import { eventCode } from '../../core/log/event.ts';
import type { Database } from '../sql/database.ts';
import { closingTypes } from '../../core/log/event-groups.ts';

const outcomeCodes = closingTypes.map((type) => eventCode[type]).join(', ');

/** Stores progress, unless the writing worker was declared dead. */
export async function storeHeartbeat(
  database: Database,
  epoch: number,
  runId: string,
  seq: number,
  details: Uint8Array,
): Promise<void> {
  await database.pool.query({
    name: `reprise_activity_heartbeat_${database.schema}`,
    text: `insert into ${database.schema}.activity_heartbeats (run_id, seq, details)
select $2, $3, $4 from ${database.schema}.fences where epoch = $1 and slot = 0 and set_config('synchronous_commit', 'off', true) is not null
on conflict (run_id, seq) do update set details = excluded.details`,
    values: [epoch, runId, seq, Buffer.from(details.buffer, details.byteOffset, details.byteLength)],
  });
}

/** Stores progress that a client reports for an activity that the run's owner executes itself. */
export async function storeProgress(
  database: Database,
  runId: string,
  seq: number,
  details: Uint8Array,
): Promise<void> {
  await database.pool.query({
    name: `reprise_store_progress_${database.schema}`,
    text: `insert into ${database.schema}.activity_heartbeats (run_id, seq, details)
select $1, $2, $3 where set_config('synchronous_commit', 'off', true) is not null
on conflict (run_id, seq) do update set details = excluded.details`,
    values: [runId, seq, Buffer.from(details)],
  });
}

const rank: Readonly<Record<ActivityPlace, number>> = { local: 0, asked: 1, held: 2, told: 3, task: 4 };

/** The state of a run's pending activities that its log does not hold, by the seq of their ActivityScheduled. */
export interface OpenAttempts {
  /** Last progress that an attempt reported. */
  readonly progress: Map<number, Uint8Array>;
  /** Where each activity is that this worker must not start. */
  readonly places: Map<number, ActivityPlace>;
  /** No worker may begin some of the run's tasks, because the run is paused, or was. */
  readonly hasHeldTasks: boolean;
}

/**
 * Reads everything in one statement, so that each activity shows either its task or the message that ended the task.
 */
export async function readAttempts(database: Database, runId: string): Promise<OpenAttempts> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{
    seq: number;
    details: Buffer | null;
    place: ActivityPlace | null;
    held: boolean;
  }>({
    name: `reprise_open_attempts_${schema}`,
    text: `select seq, details, null as place, false as held from ${schema}.activity_heartbeats where run_id = $1
union all select (meta->>'seq')::int, null, case when correlation_id is null then 'told' else 'asked' end, false from ${schema}.inbox where run_id = $1 and type in (${outcomeCodes})
union all select answers, null, 'held', false from ${schema}.inbox where run_id = $1 and type = ${eventCode.RecoveryApplied}
union all select seq, null, 'task', due_when_resumed is not null from ${schema}.activity_tasks where run_id = $1`,
    values: [runId],
  });
  const progress = new Map<number, Uint8Array>();
  const places = new Map<number, ActivityPlace>();
  for (const row of rows) {
    if (row.details !== null) progress.set(row.seq, row.details);
    const known = places.get(row.seq) ?? 'local';
    if (row.place !== null && rank[row.place] > rank[known]) places.set(row.seq, row.place);
  }
  return { progress, places, hasHeldTasks: rows.some(({ held }) => held) };
}

export async function deleteHeartbeat(database: Database, runId: string, seq: number): Promise<void> {
  await database.pool.query(`delete from ${database.schema}.activity_heartbeats where run_id = $1 and seq = $2`, [
    runId,
    seq,
  ]);
}
