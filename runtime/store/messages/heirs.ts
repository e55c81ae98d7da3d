// SQL about who hears of a child's end when the parent was forked: the run that goes on in its place, and its copies.

/** SQL: the run that goes on in place of a closed run and whose history holds the event; null when there is none. */
export function heirOf(schema: string, run: string, seq: string): string {
  return `case when not exists (select from ${schema}.ready p where p.run_id = ${run}) then ${schema}.heir(${run}, ${seq}) end`;
}

/** SQL: the open forks whose history holds the event, the heir among them. Copies wait for a child of their origin too. */
export function copiesOf(schema: string, run: string, seq: string): string {
  const fits = `r.forked_seq >= ${seq} and r.kind is null`;
  return `with recursive down(run_id) as (
    select r.run_id from ${schema}.runs r where r.forked_from = ${run} and ${fits}
    union all select r.run_id from down d join ${schema}.runs r on r.forked_from = d.run_id where ${fits})
  select d.run_id from down d join ${schema}.ready p on p.run_id = d.run_id`;
}
