// Translates the predicate of a visibility query on one search attribute. Names and values of attributes are parameters.
// Equality uses containment, which the index on both columns serves. Nothing is cast, so no stored value causes an error.
import { type RawBuilder, type SqlBool, sql } from 'kysely';
import type { CompareOperator, Literal, Predicate } from './visibility-query.ts';
import { queryTime } from './visibility-time.ts';

type Filter = RawBuilder<SqlBool>;
type Order = Exclude<CompareOperator, '=' | '!='>;

const orders: Record<Order, RawBuilder<unknown>> = { '>': sql`>`, '>=': sql`>=`, '<': sql`<`, '<=': sql`<=` };

/** Undefined when the predicate orders values that have no order. */
export function attributeFilter(name: string, predicate: Predicate): Filter | undefined {
  const attribute = new Attribute(name);
  switch (predicate.kind) {
    case 'compare': {
      const { operator, value } = predicate;
      if (operator === '=') return attribute.equals([value]);
      if (operator === '!=') return attribute.differs([value]);
      return attribute.compares(operator, value);
    }
    case 'in':
      return predicate.negated ? attribute.differs(predicate.values) : attribute.equals(predicate.values);
    case 'between': {
      const { from, to, negated } = predicate;
      const lower = attribute.compares(negated ? '<' : '>=', from);
      const upper = attribute.compares(negated ? '>' : '<=', to);
      if (lower === undefined || upper === undefined) return undefined;
      return negated ? sql`(${lower} or ${upper})` : sql`(${lower} and ${upper})`;
    }
    case 'starts': {
      const starts = attribute.startsWith(predicate.value.value);
      return predicate.negated ? sql`(${attribute.isThere} and not ${starts})` : starts;
    }
    case 'null':
      return predicate.negated ? attribute.isThere : sql`(${attribute.isThere}) is not true`;
  }
}

class Attribute {
  readonly #name: string;
  readonly #value: RawBuilder<unknown>;
  readonly #text: RawBuilder<unknown>;
  readonly #kind: RawBuilder<unknown>;
  readonly isThere: Filter;

  constructor(name: string) {
    this.#name = name;
    this.#value = sql`(search_attributes -> ${name}::text)`;
    this.#text = sql`((search_attributes ->> ${name}::text) collate "C")`;
    this.#kind = sql`jsonb_typeof(${this.#value})`;
    this.isThere = sql`(${this.#value} is not null)`;
  }

  equals(literals: readonly Literal[]): Filter {
    return sql`(search_attributes is not null and (${sql.join(
      literals.map(({ value }) => this.#equal(value)),
      sql` or `,
    )}))`;
  }

  differs(literals: readonly Literal[]): Filter {
    return sql`(${this.isThere} and not ${this.equals(literals)})`;
  }

  #equal(value: string | number | boolean): Filter {
    const contains = (held: unknown): Filter =>
      sql`search_attributes @> ${JSON.stringify({ [this.#name]: held })}::jsonb`;
    if (typeof value !== 'string') return contains(value);
    const words = sql`search_attribute_types @> ${JSON.stringify({ [this.#name]: 'TEXT' })}::jsonb
      and to_tsvector('simple', ${this.#text}) @@ plainto_tsquery('simple', ${value})`;
    const ways = [contains(value), contains([value]), sql`(${words})`];
    const time = queryTime(value);
    if (time !== undefined) ways.push(sql`(${contains(time.iso)} and ${this.#isTime})`);
    return sql`(${sql.join(ways, sql` or `)})`;
  }

  /** Compares texts by code point, times by time. */
  compares(operator: Order, { value }: Literal): Filter | undefined {
    const order = orders[operator];
    if (typeof value === 'boolean') return undefined;
    if (typeof value === 'number') {
      return sql`(${this.#kind} = 'number' and ${this.#value} ${order} ${JSON.stringify(value)}::jsonb)`;
    }
    const asText = sql`${this.#text} ${order} ${value}`;
    const time = queryTime(value);
    const asTime = time === undefined ? sql`false` : sql`${this.#text} ${order} ${time.iso}`;
    return sql`(${this.#kind} = 'string' and case when ${this.#isTime} then ${asTime} else ${asText} end)`;
  }

  get #isTime(): Filter {
    return sql`search_attribute_types ->> ${this.#name}::text = 'DATETIME'`;
  }

  /** For a list: whether one of its texts starts with `value`. */
  startsWith(value: Literal['value']): Filter {
    return sql`case ${this.#kind} when 'string' then starts_with(${this.#text}, ${value})
      when 'array' then exists (select from jsonb_array_elements_text(${this.#value}) as item where starts_with(item, ${value}))
      else false end`;
  }
}
