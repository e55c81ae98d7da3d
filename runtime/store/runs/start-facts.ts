// SQL about the start of a run, wherever it is stored: the history of a fork begins with the start of another run, and
// the fork's first own event may change parts of it. All statements that read a start use this.
import { eventCode } from '../../core/log/event.ts';
import type { StartedMeta } from '../../core/run/start-meta.ts';
import type { Queryable } from '../sql/queryable.ts';

/** The run whose row holds the start. `run`: alias of a row of `runs`. */
export function startRunId(run: string): string {
  return `coalesce(${run}.start_run_id, ${run}.run_id)`;
}

/**
 * A subquery with the start's meta as it counts for the run (`meta`, jsonb) and the run that its chain began with, if
 * `meta` names no other one (`run_id`). `start`: alias of the event that holds the start.
 */
export function startedText(schema: string, run: string, start: string): string {
  return `(select case when f.start is null then ${start}.meta::jsonb else (${start}.meta::jsonb - f.names) || f.properties end as meta,
    ${startRunId(run)} as run_id
  from (select 1) one left join lateral (
    select e.meta->'start' as start, (select coalesce(array_agg(key), '{}') from json_each(e.meta->'start')) as names,
      (select coalesce(jsonb_object_agg(key, value::jsonb) filter (where value::text <> 'null'), '{}') from json_each(e.meta->'start')) as properties
    from ${schema}.events e where ${run}.start_run_id is not null and e.run_id = ${run}.run_id
      and e.seq = ${run}.forked_seq + 1 and e.type = ${eventCode.WorkflowForked}) f on true)`;
}

/** The start of a fork as it counts for the fork, with the first run of its chain; undefined for any other run. */
export async function readForkStart(
  client: Queryable,
  schema: string,
  runId: string,
): Promise<StartedMeta | undefined> {
  const { rows } = await client.query(
    `select jsonb_build_object('firstRunId', started.run_id) || started.meta as meta from ${schema}.runs r join ${schema}.events s on s.run_id = r.start_run_id and s.seq = 1
cross join lateral ${startedText(schema, 'r', 's')} started where r.run_id = $1`,
    [runId],
  );
  return (rows as { meta: StartedMeta }[])[0]?.meta;
}
