// Translates the predicate of a visibility query on TemporalChangeVersion: the changes (`patched`) that a run has
// taken. They are version markers in the log. Temporal copies them to a search attribute, but here that would cost each
// turn a second write. Instead the query reads the events of every run that its other conditions select.
import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { eventCode } from '../../core/log/event.ts';
import type { Literal, Predicate } from './visibility-query.ts';

/** Undefined for a predicate that orders changes, because changes have no order. */
export function changeFilter(
  schema: string,
  predicate: Predicate,
  textOf: (literal: Literal) => string,
): RawBuilder<SqlBool> | undefined {
  const marked = (test: RawBuilder<SqlBool>): RawBuilder<SqlBool> =>
    sql`exists (select from ${sql.id(schema, 'events')} e
      where e.run_id = runs.run_id and e.type = ${sql.lit(eventCode.VersionMarked)} and ${test})`;
  const some = marked(sql`true`);
  const holds = (test: RawBuilder<SqlBool>, negated: boolean): RawBuilder<SqlBool> =>
    negated ? sql`(${some} and not ${marked(test)})` : marked(test);
  switch (predicate.kind) {
    case 'compare': {
      const { operator, value } = predicate;
      if (operator !== '=' && operator !== '!=') return undefined;
      return holds(sql`e.name = ${textOf(value)}`, operator === '!=');
    }
    case 'in':
      return holds(sql`e.name in (${sql.join(predicate.values.map(textOf))})`, predicate.negated);
    case 'starts':
      return holds(sql`starts_with(e.name, ${textOf(predicate.value)})`, predicate.negated);
    case 'null':
      return predicate.negated ? some : sql`not ${some}`;
    default:
      return undefined;
  }
}
