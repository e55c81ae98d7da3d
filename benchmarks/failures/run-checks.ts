// What must be true of every run, whatever happened to its workers. A violation is an error, because then no figure is
// valid.
import { isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import type { Effect } from './effect-log.ts';

/** The log has no gap, answers each activity once, ends with its closing event, and has an intact hash chain. */
export async function checkLog(pool: pg.Pool, runId: string): Promise<void> {
  const { rows } = await pool.query<{ faults: string[] }>(
    `with e as (select seq, type, answers from reprise.events where run_id = $1),
     closed as (select answers from e where type between 24 and 27)
     select array_remove(array[
       case when (select count(*) <> max(seq) from e) then 'a seq is missing' end,
       case when (select max(seq) from e) is distinct from (select final_seq from reprise.runs where run_id = $1)
         then 'the last event is not the closing event' end,
       case when exists (select from closed group by answers having count(*) > 1)
         then 'an activity ended twice' end,
       case when exists (select from closed c where not exists (select from e where e.seq = c.answers and e.type = 20))
         then 'an outcome answers no activity' end,
       (select problem from reprise_audit.verify($1) where not ok)], null) as faults`,
    [runId],
  );
  demand(rows[0]!.faults.length === 0, `log of run ${runId}`, rows[0]!.faults.join('; '), 'no fault');
}

/**
 * Each expected effect happened, always under the same idempotency key, so that a receiver that knows the key sees it
 * once. No more than `repeats` executions were repetitions. Nothing else happened.
 * @returns the labels of the repetitions
 */
export function checkEffects(effects: readonly Effect[], labels: readonly string[], repeats: number): string[] {
  const keys = new Map<string, Set<string>>();
  for (const { label, idempotencyKey } of effects) {
    keys.set(label, (keys.get(label) ?? new Set()).add(idempotencyKey));
  }
  const twice = [...keys].filter(([, each]) => each.size > 1).map(([label]) => label);
  demand(twice.length === 0, 'effects with more than one idempotency key', twice, []);
  demand(isDeepStrictEqual([...keys.keys()].sort(), [...labels].sort()), 'effects', [...keys.keys()], labels);
  const seen = new Set<string>();
  const repeated = effects.map(({ label }) => label).filter((label) => seen.size === seen.add(label).size);
  demand(repeated.length <= repeats, 'repeated executions', repeated, `at most ${repeats}`);
  return repeated;
}

export function demandEqual(what: string, found: unknown, expected: unknown): void {
  demand(isDeepStrictEqual(found, expected), what, found, expected);
}

export function demand(isTrue: boolean, what: string, found: unknown, expected: unknown): void {
  if (!isTrue) throw new Error(`Wrong ${what}: found ${text(found)}, expected ${text(expected)}.`);
}

function text(value: unknown): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')).slice(0, 2_000);
}
