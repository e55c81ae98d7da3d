// Parses the commands of `reprise sql` that are not SQL: \d, \?, \q and their words. Runs nothing.

/** SQL with the values of its parameters. `missing`: the error to show when the SQL returns no rows. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly string[];
  readonly missing?: string;
}

export type PromptCommand = Statement | 'help' | 'quit' | 'unknown';

export const promptHelp = `Statements end with ";". The session is read-only.
  \\d             list tables and views
  \\d NAME        list the columns of a table or view, as NAME or SCHEMA.NAME
  \\?, help       print this
  \\q, exit, quit leave`;

const userRelations = `c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^(pg_|information_schema$)'`;

const listRelations = `
  select n.nspname as schema, c.relname as name,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end
      as type
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where ${userRelations}
  order by 1, 2`;

const listColumns = `
  select n.nspname as schema, c.relname as relation, a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
    case when a.attnotnull then 'not null' end as nullable, pg_get_expr(d.adbin, d.adrelid) as default
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where ${userRelations} and $1::text in (c.relname::text, n.nspname || '.' || c.relname)
  order by 1, 2, a.attnum`;

/** Parses a line that begins a statement. Returns undefined when the line is SQL. */
export function promptCommand(line: string): PromptCommand | undefined {
  const [word = '', name, ...rest] = line.trim().replace(/\s*;$/, '').split(/\s+/);
  if (name === undefined) {
    if (['\\q', 'exit', 'quit'].includes(word)) return 'quit';
    if (['\\?', 'help'].includes(word)) return 'help';
    if (word === '\\d') return { text: listRelations };
  } else if (word === '\\d' && rest.length === 0) {
    return { text: listColumns, values: [name], missing: `no table or view is named "${name}"` };
  }
  return word.startsWith('\\') ? 'unknown' : undefined;
}
