// Looks for work that notices may have missed, in one statement.
import type { Micros } from '../../core/log/event.ts';
import type { Database } from '../sql/database.ts';
import { timestampArray } from '../codec/pg-binary.ts';
import { isTriable } from './quarantine.ts';

export interface Found {
  /** Ids of this owner's runs that have mail in the inbox. */
  readonly mailed: readonly string[];
  /** A task of one of the queues is due. */
  readonly tasks: boolean;
  /** The deadline of a task in any queue has passed. */
  readonly expired: boolean;
  /** Standalone activities of the queue have something to do. */
  readonly standalone: boolean;
}

export async function lookAround(
  database: Database,
  epoch: number,
  options: { queues: readonly string[]; standaloneQueue: string; now: Micros },
): Promise<Found> {
  const { schema, pool } = database;
  const now = '($3::timestamptz[])[1]';
  const { queues } = options;
  const one = queues.length === 1;
  const { rows } = await pool.query<Found>({
    name: `reprise_look_around_${schema}${one ? '' : '_many'}`,
    text: `select array(select distinct run_id::text from ${schema}.inbox where owner = $1) as mailed,
  exists (select from ${schema}.activity_tasks where queue = ${one ? '$2' : 'any($2::text[])'} and due_at <= ${now}) as tasks,
  coalesce((select min(deadline) from ${schema}.activity_tasks) <= ${now}, false) as expired,
  exists (select from ${schema}.ready where owner is null and queue = $4 and wake_at <= ${now}
    and ${isTriable(schema, now)}) as standalone`,
    values: [epoch, one ? queues[0] : queues, timestampArray([options.now]), options.standaloneQueue],
  });
  return rows[0]!;
}
