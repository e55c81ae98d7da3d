// Versions of worker deployments: which ones exist, which one is current or ramping, and counts for each. Operators
// write here and versioned workers read. Unversioned workers and starts use none of this.
import type pg from 'pg';
import {
  type DeploymentMeta,
  deploymentPrefix,
  type RunVersioning,
  type StartedVersioning,
  startedVersioning,
  type VersionedPlace,
  versionPrefix,
  type WorkerDeploymentVersion,
} from '../../core/run/deployment.ts';
import { eventCode } from '../../core/log/event.ts';
import type { LineSegment } from '../../core/log/line.ts';
import type { ForkedMeta } from '../../core/run/forked-meta.ts';
import { lineWithin, rowsOf } from '../log/line.ts';
import type { Database } from '../sql/database.ts';
import type { Queryable } from '../sql/queryable.ts';
import { transaction } from '../sql/transaction.ts';

/** Routing divides workflow ids into this many buckets, by the first two bytes of the id's sha256. */
export const shareParts = 65_536;
/** SQL: how many buckets a ramping version has. */
const rampShare = `floor(ramp_percentage * ${shareParts / 100})::int`;

/** Which builds of a deployment take runs that are not pinned. */
export interface Routing {
  readonly current: string | undefined;
  readonly ramping:
    | { readonly buildId: string /** The ramping build takes parts 0 to `share` - 1. */; readonly share: number }
    | undefined;
}

/** Parameters that name a version. */
export interface VersionParameters {
  readonly namespace: string;
  readonly deployment: string;
  readonly build: string;
}

/**
 * SQL: the version takes the buckets from `low` (inclusive) to `high` (exclusive). No row when the version is unknown.
 */
export function routeText(schema: string, { namespace, deployment, build }: VersionParameters): string {
  return `select case when is_current then (
    select coalesce(max(${rampShare}), 0) from ${schema}.deployment_versions where namespace = ${namespace} and deployment_name = ${deployment}) else 0 end as low,
  case when is_current then ${shareParts} else coalesce(${rampShare}, 0) end as high
  from ${schema}.deployment_versions where namespace = ${namespace} and deployment_name = ${deployment} and build_id = ${build}`;
}

/**
 * SQL: whether the CTE `route` lets the version take this run. If the version has all buckets, workflow_id is not read.
 */
export function routedText(schema: string, runId: string): string {
  const part = shareText(schema, runId);
  return `(select high > low from route) and ((select high - low from route) = ${shareParts}
      or ${part} between (select low from route) and (select high - 1 from route))`;
}

/** SQL: the bucket (0 to 65,535) of a run's workflow id. */
function shareText(schema: string, runId: string): string {
  return `(select get_byte(id, 0) * 256 + get_byte(id, 1) from (
    select sha256(convert_to(workflow_id, 'UTF8')) as id from ${schema}.runs where run_id = ${runId}) as hashed)`;
}

/** Registers a version when its first worker starts. */
export async function registerVersion(
  database: Database,
  namespace: string,
  { deploymentName, buildId }: WorkerDeploymentVersion,
): Promise<void> {
  await database.pool.query(
    `insert into ${database.schema}.deployment_versions (namespace, deployment_name, build_id) values ($1, $2, $3)
on conflict do nothing`,
    [namespace, deploymentName, buildId],
  );
}

export async function readRouting(database: Database, namespace: string, deploymentName: string): Promise<Routing> {
  const { rows } = await database.pool.query<{ build_id: string; is_current: boolean; share: number | null }>({
    name: `reprise_routing_${database.schema}`,
    text: `select build_id, is_current, ${rampShare} as share from ${database.schema}.deployment_versions
where namespace = $1 and deployment_name = $2 and (is_current or ramp_percentage is not null)`,
    values: [namespace, deploymentName],
  });
  const ramping = rows.find((row) => row.share !== null);
  return {
    current: rows.find((row) => row.is_current)?.build_id,
    ramping: ramping === undefined ? undefined : { buildId: ramping.build_id, share: ramping.share! },
  };
}

/**
 * Whether a worker of the version ever polled this task queue in the run's namespace. If `place` names no build, a
 * worker of any version counts.
 */
export async function isPolledBy(
  client: Queryable,
  schema: string,
  runId: string,
  { deploymentName, inherits }: Pick<VersionedPlace, 'deploymentName' | 'inherits'>,
  taskQueue: string,
): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from ${schema}.runs r join ${schema}.workers w on w.queue = r.namespace || '/' || $2
where r.run_id = $1 and w.deployment_name = $3 and ($4::text is null or w.build_id = $4) limit 1`,
    [runId, taskQueue, deploymentName, inherits?.buildId ?? null],
  );
  return rows.length === 1;
}

/** What a run's log records about its version; undefined when it records nothing. */
export async function readRunVersioning(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  runId: string,
): Promise<RunVersioning | undefined> {
  const { rows } = await client.query<{ start: StartedVersioning | null; recorded: DeploymentMeta | null }>(
    `select (select meta from ${schema}.events where run_id = $1 and seq = 1) as start,
  (select meta from ${schema}.events where run_id = $1 and type = ${eventCode.WorkflowTaskCompleted} and meta is not null
   order by seq desc limit 1) as recorded`,
    [runId],
  );
  const { start, recorded } = rows[0]!;
  if (start === null) {
    const line = await lineWithin(client, schema, runId);
    if (line.length > 1) return versioningOfFork(client, schema, line);
  }
  const started = startedVersioning(start ?? {});
  return recorded === null ? started : { ...started, recorded };
}

/** Folds the events of a fork's line that say something about its version. */
async function versioningOfFork(
  client: Queryable,
  schema: string,
  line: readonly LineSegment[],
): Promise<RunVersioning | undefined> {
  const types = `(${eventCode.WorkflowStarted}, ${eventCode.WorkflowForked}, ${eventCode.WorkflowTaskCompleted})`;
  const { rows } = await client.query(
    `select type, meta from ${rowsOf(schema, line)} and type in ${types} and meta is not null order by seq`,
    [],
  );
  let versioning: RunVersioning | undefined;
  for (const { type, meta } of rows as { type: number; meta: unknown }[]) {
    if (type === eventCode.WorkflowStarted) versioning = startedVersioning(meta as StartedVersioning);
    else if (type === eventCode.WorkflowTaskCompleted) versioning = { ...versioning, recorded: meta as DeploymentMeta };
    else {
      const { versioningOverride } = (meta as ForkedMeta).start ?? {};
      if (versioningOverride) versioning = { ...versioning, versioningOverride };
    }
  }
  return versioning;
}

/**
 * An operator's request: make `current` the current build, or `ramping` the ramping build. A null `ramping` ends the
 * ramp.
 */
export type RoutingChange =
  | { readonly current: string }
  | { readonly ramping: { readonly buildId: string; readonly percentage: number } | null };

/**
 * Why a change is refused: the deployment or the version is unknown, a version cannot ramp without a current one, or the
 * current version cannot ramp.
 */
export type RoutingFault =
  | { readonly fault: 'unknown'; readonly builds: readonly string[] }
  | { readonly fault: 'no current' }
  | { readonly fault: 'is current' };

/** Applies one change in a transaction. A fault leaves everything unchanged. */
export async function changeRouting(
  database: Database,
  namespace: string,
  deploymentName: string,
  change: RoutingChange,
): Promise<RoutingFault | undefined> {
  const { schema } = database;
  const table = `${schema}.deployment_versions`;
  const ofDeployment = 'where namespace = $1 and deployment_name = $2';
  const key = [namespace, deploymentName];
  const fault = await transaction(
    database.pool,
    { lockTimeoutMs: 0 },
    async (client) => {
      const { rows } = await client.query<{ build_id: string; is_current: boolean }>(
        `select build_id, is_current from ${table} ${ofDeployment} order by build_id for update`,
        key,
      );
      const fault = faultOf(rows, change);
      if (fault !== undefined) return fault;
      if ('current' in change) {
        await client.query(`update ${table} set is_current = false ${ofDeployment} and is_current and build_id <> $3`, [
          ...key,
          change.current,
        ]);
        await client.query(
          `update ${table} set is_current = true, ramp_percentage = null,
activated_at = coalesce(activated_at, clock_timestamp()) ${ofDeployment} and build_id = $3`,
          [...key, change.current],
        );
      } else {
        await client.query(
          `update ${table} set ramp_percentage = null ${ofDeployment} and ramp_percentage is not null`,
          key,
        );
        if (change.ramping !== null) {
          await client.query(
            `update ${table} set ramp_percentage = $4, activated_at = coalesce(activated_at, clock_timestamp())
${ofDeployment} and build_id = $3`,
            [...key, change.ramping.buildId, change.ramping.percentage],
          );
        }
      }
      return undefined;
    },
    (fault) => fault === undefined,
  );
  if (fault !== undefined) return fault;
  database.notifier.deployment();
  return undefined;
}

function faultOf(
  known: readonly { build_id: string; is_current: boolean }[],
  change: RoutingChange,
): RoutingFault | undefined {
  const buildId = 'current' in change ? change.current : change.ramping?.buildId;
  const row = known.find((version) => version.build_id === buildId);
  const unknown = buildId === undefined ? known.length === 0 : row === undefined;
  if (unknown) return { fault: 'unknown', builds: known.map((version) => version.build_id) };
  if ('current' in change || buildId === undefined) return undefined;
  if (!known.some((version) => version.is_current)) return { fault: 'no current' };
  return row?.is_current === true ? { fault: 'is current' } : undefined;
}

export interface VersionRow {
  readonly deployment_name: string;
  readonly build_id: string;
  readonly is_current: boolean;
  readonly ramp_percentage: number | null;
  readonly registered_at: Date;
  readonly activated_at: Date | null;
}

/** The versions of one deployment, or of all in a namespace. */
export async function readVersions(
  database: Database,
  namespace: string,
  deploymentName: string | null,
): Promise<VersionRow[]> {
  const { rows } = await database.pool.query<VersionRow>(
    `select * from ${database.schema}.deployment_versions where namespace = $1 and ($2::text is null or deployment_name = $2)
order by deployment_name, registered_at, build_id`,
    [namespace, deploymentName],
  );
  return rows;
}

/** Counts of open runs and of workers. */
export interface DeploymentCounts {
  /** Number of open runs that the current version takes, whichever it is. */
  readonly autoUpgrade: number;
  readonly byBuild: ReadonlyMap<string, VersionCounts>;
}

export interface VersionCounts {
  /** Number of open runs that only this version may take. */
  pinned: number;
  /** Number of open runs that are not pinned to the version and are in the memory of its workers. */
  inMemory: number;
  liveWorkers: number;
  taskQueues: string[];
}

export async function countDeployment(
  database: Database,
  namespace: string,
  deploymentName: string,
  buildIds: readonly string[],
): Promise<DeploymentCounts> {
  const { schema, pool } = database;
  // `@deployment:build` and `@deployment`: a prefix contains no slash except the one at its end.
  const placeOf = (prefix: string): string => prefix.slice(0, -1);
  const places = new Map(
    buildIds.map((buildId) => [placeOf(versionPrefix({ deploymentName, buildId })), buildId] as const),
  );
  const anyVersion = placeOf(deploymentPrefix(deploymentName));
  const inNamespace = `${namespace}/`;
  const [{ rows: waiting }, { rows: workers }] = await Promise.all([
    pool.query<{ place: string; runs: number }>(
      `select split_part(queue, '/', 1) as place, count(*)::int as runs from ${schema}.ready
where split_part(queue, '/', 1) = any($1::text[]) and starts_with(substr(queue, strpos(queue, '/') + 1), $2) group by 1`,
      [[...places.keys(), anyVersion], inNamespace],
    ),
    pool.query<{ build_id: string; live: number; queues: string[]; runs: number; places: string[] | null }>(
      `select w.build_id, count(*) filter (where l.expires_at > clock_timestamp())::int as live,
  array_agg(distinct w.queue) as queues, coalesce(sum(o.runs), 0)::int as runs
from ${schema}.workers w left join ${schema}.leases l on l.epoch = w.epoch
left join lateral (
  select count(*) as runs from ${schema}.ready r
  where r.owner = w.epoch and split_part(r.queue, '/', 1) <> all($3::text[])) o on true
where w.deployment_name = $1 and starts_with(w.queue, $2) group by w.build_id`,
      [deploymentName, inNamespace, [...places.keys()]],
    ),
  ]);
  const byBuild = new Map<string, VersionCounts>();
  for (const buildId of buildIds) byBuild.set(buildId, { pinned: 0, inMemory: 0, liveWorkers: 0, taskQueues: [] });
  for (const { place, runs } of waiting) {
    const counts = byBuild.get(places.get(place) ?? '');
    if (counts !== undefined) counts.pinned = runs;
  }
  for (const { build_id: buildId, live, queues, runs } of workers) {
    const counts = byBuild.get(buildId);
    if (counts === undefined) continue;
    const taskQueues = queues.map((queue) => queue.slice(inNamespace.length)).sort();
    Object.assign(counts, { liveWorkers: live, taskQueues, inMemory: runs });
  }
  return { autoUpgrade: waiting.find(({ place }) => place === anyVersion)?.runs ?? 0, byBuild };
}
