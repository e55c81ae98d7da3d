// Taking and letting go of runs. Both move ownership in `ready`, both are fenced, neither needs the disk: an ownership
// that a crash forgets is found again by the reaper.
import type { Fence } from './fence.ts';
import type pg from 'pg';
import type { WorkerDeploymentVersion } from '../../core/run/deployment.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { Micros } from '../../core/log/event.ts';
import { routedText, routeText } from '../deployments/deployments.ts';
import type { StoredEvent } from '../log/history.ts';
import { timestampArray, uuidArray } from '../codec/pg-binary.ts';
import { isTriable } from './quarantine.ts';

export interface ClaimedRun {
  readonly runId: string;
  /** Messages ever sent to the run. */
  readonly mail: number;
  /** The epoch that died while it owned the run. */
  readonly lost: number | null;
  readonly wakeAt: Micros;
  /** Of a run that nobody owned before: its start, which is all of its log. */
  readonly start: StoredEvent | undefined;
  /** Of a run in quarantine: its failures in a row. */
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

/** Only runs that this version may take as long as they are pinned to none: what is current in this very moment decides. */
export interface ClaimRoute {
  readonly namespace: string;
  readonly version: WorkerDeploymentVersion;
}

const routeParameters = { namespace: '$7', deployment: '$8', build: '$9' } as const;

/**
 * Claims up to `limit` due runs of a queue, the longest due first. A run in quarantine is not due before its next try, not
 * even by a message, or a stream of signals would have it loaded in vain all the time. `from` is the watermark below which entries are dead
 * (a held snapshot keeps them in the index); a full sweep passes 0.
 * A log that somebody could have added to is read only with a later snapshot: a row that was parked while this statement
 * waited to lock it is seen in its new version, but the events that its last owner appended are not.
 * The condition on an array changes nothing but the plan: after an analyze of the empty table a join would begin with a
 * scan of all of it, dead rows and all.
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
returning r.run_id, r.mail, due.lost, (extract(epoch from due.wake_at) * 1000000)::bigint as wake_at,
  (select q.attempts from ${schema}.quarantine q where q.run_id = r.run_id) as quarantined, (extract(epoch from first.at) * 1000000)::bigint as started_at, first.name, first.payload, first.meta::text as meta`,
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
  /** Highest mail number that the run has read. */
  readonly mail: number;
  /** When it next has something to do by itself. */
  readonly wakeAt: Micros;
  /** Where it waits from now on, when that is to change. */
  readonly queue?: string | undefined;
  /** The epoch that died while it owned the run, when the log does not say so yet. */
  readonly lost?: number | null;
}

/**
 * Lets go of runs. A run with unread mail becomes due at once. Returns the run ids that were let go; a run whose row is
 * locked by a sender stays owned, to be tried again.
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
update ${schema}.ready r set owner = null, queue = coalesce(p.queue, r.queue), lost = coalesce(p.lost, r.lost),
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

/** The rows of runs ($3) that the fence ($1, $2) owns, locked in order; those that somebody holds are passed over. */
export function ownedRows(schema: string): string {
  return `fence as materialized (
  select set_config('synchronous_commit', 'off', true) from ${schema}.fences where epoch = $1 and slot = $2 for share),
locked as materialized (
  select run_id from ${schema}.ready where run_id = any($3::uuid[]) and owner = $1 and exists (select from fence)
  order by run_id for no key update skip locked)`;
}

/** As lockOwnedRun; what follows in the transaction waits for locks for as long as it takes. */
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

/** Locks an owned run's row for the caller's transaction; false when it is not owned by `epoch` any more. */
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
