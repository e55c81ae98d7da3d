// Claims and releases runs. Both change the owner in `ready`, both check the fence, and neither waits for the disk,
// because the reaper finds runs whose change of owner was lost in a crash.
import type { Fence } from './fence.ts';
import type pg from 'pg';
import type { WorkerDeploymentVersion } from '../../core/run/deployment.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { Micros } from '../../core/log/event.ts';
import { routedText, routeText } from '../deployments/deployments.ts';
import type { StoredEvent } from '../log/history.ts';
import { timestampArray, uuidArray } from '../codec/pg-binary.ts';
import { isTriable } from './quarantine.ts';
import { microsOf } from '../sql/sql-text.ts';

export interface ClaimedRun {
  readonly runId: string;
  /** Number of messages ever sent to the run. */
  readonly mail: number;
  /** The epoch that died while it owned the run. */
  readonly lost: number | null;
  readonly wakeAt: Micros;
  /** The start of a run that nobody has owned yet: its whole log. */
  readonly start: StoredEvent | undefined;
  /** How many times in a row a run in quarantine has failed. */
  readonly quarantined?: number;
}

interface ClaimRow {
  run_id: string;
  mail: number;
  lost: number | null;
  wake_at: string;
  quarantined: number | null;
  started_at: string | null;
  name: string | null;
  payload: Buffer | null;
  meta: string | null;
}

/** Limits a claim to unpinned runs that this version may take at this moment, by the present routing. */
export interface ClaimRoute {
  readonly namespace: string;
  readonly version: WorkerDeploymentVersion;
}

const routeParameters = { namespace: '$7', deployment: '$8', build: '$9' } as const;

/**
 * Claims up to `limit` due runs of a queue, the longest due first. A run in quarantine is not due before its next try,
 * even if mail arrives. Otherwise a stream of signals would make workers load it repeatedly in vain. `from` is the
 * watermark below which index entries are dead (a held snapshot keeps them in the index); a full sweep passes 0.
 *
 * Returns the log only of runs that nobody has owned yet. If the statement waited for a row that was released meanwhile,
 * it sees the new row, but not the events that the last owner appended. Those need a later snapshot.
 *
 * The condition on an array only affects the plan. After an analyze of the empty table, a join would scan the whole
 * table, including dead rows.
 */
export async function claim(
  client: pg.ClientBase,
  schema: string,
  fence: Fence,
  options: { queue: string; now: Micros; from: Micros; limit: number; route?: ClaimRoute | undefined },
): Promise<ClaimedRun[]> {
  const { route } = options;
  const isRouted = route !== undefined;
  const { rows } = await client.query<ClaimRow>({
    name: `reprise_claim_${schema}${isRouted ? '_routed' : ''}`,
    text: `with ${
      isRouted
        ? `route as materialized (${routeText(schema, routeParameters)}),
`
        : ''
    }due as materialized (
  select run_id, lost, wake_at, claimed from ${schema}.ready
  where owner is null and queue = $3 and wake_at <= ($4::timestamptz[])[1] and wake_at >= ($5::timestamptz[])[1]
    and ${isTriable(schema, '($4::timestamptz[])[1]')}${
      isRouted
        ? `
    and ${routedText(schema, 'ready.run_id')}`
        : ''
    }
  order by wake_at limit $6 for no key update skip locked),
fence as materialized (
  select set_config('synchronous_commit', 'off', true) from ${schema}.fences
  where epoch = $1 and slot = $2 and exists (select from due) for share)
update ${schema}.ready r set owner = $1, lost = null, claimed = true
from fence, due left join lateral (
  select e.at, e.name, e.payload, e.meta from ${schema}.events e
  where not due.claimed and e.run_id = due.run_id and e.seq = 1 limit 1) first on true
where r.run_id = due.run_id and r.run_id = any (array(select run_id from due))
returning r.run_id, r.mail, due.lost, ${microsOf('due.wake_at')} as wake_at,
  (select q.attempts from ${schema}.quarantine q where q.run_id = r.run_id) as quarantined, ${microsOf('first.at')} as started_at, first.name, first.payload, first.meta::text as meta`,
    values: [
      fence.epoch,
      fence.slot,
      options.queue,
      timestampArray([options.now]),
      timestampArray([options.from]),
      options.limit,
      ...(isRouted ? [route.namespace, route.version.deploymentName, route.version.buildId] : []),
    ],
  });
  return rows.map((row) => ({
    runId: row.run_id,
    mail: row.mail,
    lost: row.lost,
    wakeAt: Number(row.wake_at),
    start: startEvent(row),
    ...(row.quarantined === null ? {} : { quarantined: row.quarantined }),
  }));
}

function startEvent(row: ClaimRow): StoredEvent | undefined {
  if (row.started_at === null) return undefined;
  const { name, payload, meta } = row;
  return {
    ...newEvent(1, 'WorkflowStarted', { name, payload, meta }),
    runId: row.run_id,
    at: Number(row.started_at),
    hash: null,
  };
}

export interface ParkedRun {
  readonly runKey: Uint8Array;
  /** Id of the last message that the run has read. */
  readonly mail: number;
  /** When the run next has something to do without a message. */
  readonly wakeAt: Micros;
  /** The queue where the run waits from now on; undefined: the same queue as before. */
  readonly queue?: string | undefined;
  /** The epoch that died while it owned the run, if the log does not record that yet. */
  readonly lost?: number | null;
}

/**
 * Releases runs. A run with unread mail becomes due at once. Returns the ids of the released runs. If a sender holds a
 * run's row, the run stays owned, and the caller tries again.
 */
export async function park(
  client: pg.ClientBase,
  schema: string,
  fence: Fence,
  runs: readonly ParkedRun[],
): Promise<string[]> {
  const { rows } = await client.query<{ run_id: string }>({
    name: `reprise_park_${schema}`,
    text: `with ${ownedRows(schema)}
update ${schema}.ready r set owner = null, worker = $1, queue = coalesce(p.queue, r.queue), lost = coalesce(p.lost, r.lost),
  wake_at = case when r.mail = p.mail then p.wake_at else clock_timestamp() end
from unnest($3::uuid[], $4::int[], $5::timestamptz[], $6::text[], $7::int[]) as p(run_id, mail, wake_at, queue, lost), locked, fence
where r.run_id = any ($3::uuid[]) and r.run_id = p.run_id and locked.run_id = p.run_id
returning r.run_id`,
    values: [
      fence.epoch,
      fence.slot,
      uuidArray(runs.map((run) => run.runKey)),
      runs.map((run) => run.mail),
      timestampArray(runs.map((run) => run.wakeAt)),
      runs.map((run) => run.queue ?? null),
      runs.map((run) => run.lost ?? null),
    ],
  });
  return rows.map((row) => row.run_id);
}

/** Locks the rows of runs ($3) that the fence ($1, $2) owns, in order. Skips rows that other sessions hold. */
export function ownedRows(schema: string): string {
  return `fence as materialized (
  select set_config('synchronous_commit', 'off', true) from ${schema}.fences where epoch = $1 and slot = $2 for share),
locked as materialized (
  select run_id from ${schema}.ready where run_id = any($3::uuid[]) and owner = $1 and exists (select from fence)
  order by run_id for no key update skip locked)`;
}

/** Like lockOwnedRun, but later statements of the transaction wait for locks without a limit. */
export async function holdOwnedRun(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  epoch: number,
): Promise<boolean> {
  const owned = await lockOwnedRun(client, schema, runId, epoch);
  await client.query('set local lock_timeout = 0');
  return owned;
}

/** Locks an owned run's row in the caller's transaction. Returns false when `epoch` no longer owns the run. */
export async function lockOwnedRun(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  epoch: number,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `select 1 from ${schema}.ready where run_id = $1 and owner = $2 for no key update`,
    [runId, epoch],
  );
  return rowCount === 1;
}
