// Translates a visibility query into SQL on rows of `runs`, with parameters. A predicate, negated or not, holds only
// for runs that have the field. An attribute is compared by its type in each run, so it may have different types in
// different runs.
import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { changesName, checkAttributeName, type FieldName, fieldNames } from '../../core/options/attribute-values.ts';
import type { RunLink } from '../../core/log/activation.ts';
import { eventCode } from '../../core/log/event.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import { besideTasks } from '../../core/run/run-state.ts';
import { attributeFilter } from './attribute-filter.ts';
import { changeFilter } from './change-filter.ts';
import { isRunId } from '../runs/run-id.ts';
import { startRunId } from '../runs/start-facts.ts';
import type { CompareOperator, Condition, Literal, Named, Predicate, VisibilityQuery } from './visibility-query.ts';
import { queryTime } from './visibility-time.ts';
import { queryError } from './visibility-token.ts';

type Filter = RawBuilder<SqlBool>;
type FieldKind = 'text' | 'uuid' | 'status' | 'time' | 'number';

interface Field {
  readonly kind: FieldKind;
  column(schema: string): RawBuilder<unknown>;
}

const start = (schema: string): RawBuilder<unknown> =>
  sql`${sql.id(schema, 'events')} e where e.run_id = ${sql.raw(startRunId('runs'))} and e.seq = 1 and e.type = ${sql.lit(eventCode.WorkflowStarted)}`;

const fields: Record<FieldName, Field> = {
  WorkflowId: { kind: 'text', column: () => sql`workflow_id` },
  RunId: { kind: 'uuid', column: () => sql`run_id` },
  WorkflowType: { kind: 'text', column: () => sql`workflow_type` },
  TaskQueue: { kind: 'text', column: () => sql`task_queue` },
  ExecutionStatus: { kind: 'status', column: () => sql`status` },
  StartTime: { kind: 'time', column: () => sql`started_at` },
  CloseTime: { kind: 'time', column: () => sql`closed_at` },
  ExecutionTime: {
    kind: 'time',
    column: (schema) =>
      sql`(select runs.started_at + (coalesce((e.meta ->> 'startDelayMs')::float8, 0)
        + coalesce((e.meta ->> 'backoffMs')::float8, 0)) * interval '1 millisecond' from ${start(schema)})`,
  },
  HistoryLength: {
    kind: 'number',
    column: (schema) =>
      sql`coalesce(final_seq, (select max(e.seq) from ${sql.id(schema, 'events')} e where e.run_id = runs.run_id))`,
  },
};

/** The HistoryLength of a row, for lists that show it. */
export function historyLengthOf(schema: string): RawBuilder<number> {
  return sql<number>`${fields.HistoryLength.column(schema)}`;
}

/** What keeps an open run from going on; null for most runs. Looks up the last events of the row's run alone. */
export function problemOf(schema: string): RawBuilder<RunProblem | null> {
  const others = sql.raw(besideTasks.map((type) => eventCode[type]).join(','));
  return sql<RunProblem | null>`case when closed_at is null then coalesce(
    (select json_build_object('kind', 'quarantine', 'code', q.cause, 'attempt', q.attempts, 'message', q.message)
      from ${sql.id(schema, 'quarantine')} q where q.run_id = runs.run_id),
    (select case when e.type = ${sql.lit(eventCode.WorkflowTaskFailed)} then
        json_build_object('kind', 'task failure', 'code', e.name, 'attempt', e.attempt, 'message', e.reason) end
      from ${sql.id(schema, 'events')} e where e.run_id = runs.run_id and e.hash is not null and e.type not in (${others})
      order by e.seq desc limit 1)) end`;
}

/** Why an open run does not go on: no worker can load it, or its workflow task fails and is tried again. */
export interface RunProblem {
  readonly kind: 'quarantine' | 'task failure';
  readonly code: string;
  readonly attempt: number;
  readonly message: string;
}

/** What lists show of a run's start. */
export function startOf(schema: string): RawBuilder<StartFacts | null> {
  return sql<StartFacts | null>`(select json_build_object('parent', e.meta -> 'parent', 'root', e.meta -> 'root',
    'delayMs', coalesce((e.meta ->> 'startDelayMs')::float8, 0) + coalesce((e.meta ->> 'backoffMs')::float8, 0)) from ${start(schema)})`;
}

export interface StartFacts {
  readonly parent: RunLink | null;
  readonly root: RunLink | null;
  /** ms from the start until the first task is due. */
  readonly delayMs: number;
}

/** Spellings of statuses by Temporal and by us, in lower case without underscores. */
const statuses: Record<string, RunStatus> = {
  running: 'running',
  paused: 'paused',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  ['cancel' + 'ed']: 'cancelled',
  terminated: 'terminated',
  timedout: 'timed_out',
  continuedasnew: 'continued_as_new',
  rolledback: 'rolled_back',
  recovered: 'recovered',
};

const operators: Record<CompareOperator, RawBuilder<unknown>> = {
  '=': sql`=`,
  '!=': sql`<>`,
  '>': sql`>`,
  '>=': sql`>=`,
  '<': sql`<`,
  '<=': sql`<=`,
};

/** The condition of a query on the columns of `runs`. @throws INVALID_INPUT that names the position */
export function visibilityFilter(query: VisibilityQuery, schema: string): Filter {
  return query.where === undefined ? sql`true` : new FilterMaker(query.text, schema).filter(query.where);
}

class FilterMaker {
  readonly #text: string;
  readonly #schema: string;

  constructor(text: string, schema: string) {
    this.#text = text;
    this.#schema = schema;
  }

  filter(condition: Condition): Filter {
    if (!('parts' in condition)) return this.#predicate(condition);
    const parts = condition.parts.map((part) => this.filter(part));
    return sql`(${sql.join(parts, condition.kind === 'and' ? sql` and ` : sql` or `)})`;
  }

  #predicate(predicate: Predicate): Filter {
    const { name } = predicate.field;
    if ((fieldNames as readonly string[]).includes(name)) {
      return this.#fieldFilter(fields[name as FieldName], predicate);
    }
    if (name === changesName) {
      const filter = changeFilter(this.#schema, predicate, (literal) => this.#textOf(literal));
      if (filter !== undefined) return filter;
      throw this.#error(predicate.field, `an order of ${name}`, '=, !=, IN, STARTS_WITH or IS NULL');
    }
    this.#checkName(predicate.field);
    if (predicate.kind === 'starts') this.#textOf(predicate.value);
    const filter = attributeFilter(name, predicate);
    if (filter !== undefined) return filter;
    throw this.#error(predicate.field, 'an order of true and false', '=, != or IN');
  }

  /** Throws for a misspelt field: a field name in the wrong case, or a name that no attribute can have. */
  #checkName(field: Named): void {
    const meant = fieldNames.find((name) => name.toLowerCase() === field.name.toLowerCase());
    if (meant !== undefined) throw this.#error(field, field.name, meant);
    try {
      checkAttributeName(field.name);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw this.#error(
        field,
        `the name "${field.name}" (${why})`,
        `a search attribute, or one of ${fieldNames.join(', ')}`,
      );
    }
  }

  #fieldFilter(field: Field, predicate: Predicate): Filter {
    const column = field.column(this.#schema);
    const hasOrder = field.kind !== 'status' && field.kind !== 'uuid';
    // The database's collation may ignore '-', so texts are ordered by code point.
    const ordered = field.kind === 'text' ? sql`${column} collate "C"` : column;
    const value = (literal: Literal): unknown => this.#valueOf(field.kind, literal);
    switch (predicate.kind) {
      case 'compare': {
        const isEquality = predicate.operator === '=' || predicate.operator === '!=';
        if (!isEquality && !hasOrder)
          throw this.#error(predicate.field, `an order of ${predicate.field.name}`, '=, != or IN');
        return sql`${isEquality ? column : ordered} ${operators[predicate.operator]} ${value(predicate.value)}`;
      }
      case 'in': {
        const values = sql.join(predicate.values.map(value));
        return predicate.negated ? sql`${column} not in (${values})` : sql`${column} in (${values})`;
      }
      case 'between': {
        if (!hasOrder) throw this.#error(predicate.field, `an order of ${predicate.field.name}`, '=, != or IN');
        const range = sql`between ${value(predicate.from)} and ${value(predicate.to)}`;
        return predicate.negated ? sql`${ordered} not ${range}` : sql`${ordered} ${range}`;
      }
      case 'starts': {
        if (field.kind !== 'text')
          throw this.#error(predicate.field, `STARTS_WITH of ${predicate.field.name}`, 'a field of text');
        const starts = sql<SqlBool>`starts_with(${column}, ${this.#textOf(predicate.value)})`;
        return predicate.negated ? sql`not ${starts}` : starts;
      }
      case 'null':
        return predicate.negated ? sql`${column} is not null` : sql`${column} is null`;
    }
  }

  #valueOf(kind: FieldKind, literal: Literal): unknown {
    const { value } = literal;
    const found = JSON.stringify(value);
    switch (kind) {
      case 'text':
        return this.#textOf(literal);
      case 'number':
        if (typeof value === 'number') return sql`${String(value)}::numeric`;
        throw this.#error(literal, found, 'a number');
      case 'uuid':
        if (typeof value === 'string' && isRunId(value)) return sql`${value}::uuid`;
        throw this.#error(literal, found, 'a run id, which is a UUID');
      case 'time': {
        const time = queryTime(value);
        if (time !== undefined) return sql`${time.micros}::timestamptz`;
        throw this.#error(literal, found, "a time such as '2026-01-31T12:00:00Z'");
      }
      case 'status': {
        const name = String(value).replaceAll(/[_ ]/g, '').toLowerCase();
        if (Object.hasOwn(statuses, name)) return statuses[name];
        throw this.#error(
          literal,
          found,
          'Running, Completed, Failed, Cancelled, Terminated, ContinuedAsNew, TimedOut, Paused, RolledBack or Recovered',
        );
      }
    }
  }

  #textOf(literal: Literal): string {
    if (typeof literal.value === 'string') return literal.value;
    throw this.#error(literal, String(literal.value), 'a text in quotes');
  }

  #error({ position }: { readonly position: number }, found: string, expected: string): Error {
    return queryError(this.#text, position, found, expected);
  }
}
