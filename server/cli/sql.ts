// `reprise sql`: runs one statement, or an interactive prompt, in a read-only session. Made for machines without psql.
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import pg from 'pg';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { connectError, sqlstateOf } from '../../runtime/store/sql/sqlstate.ts';
import { newAction } from './command.ts';
import { withDatabase } from './command-database.ts';
import { promptCommand, promptHelp, type Statement } from './sql-prompt.ts';
import { type Cell, countRows, formatTable } from './table.ts';

const prompts = { first: 'reprise=> ', next: 'reprise-> ' };
const numberTypes: ReadonlySet<number> = new Set([20, 21, 23, 26, 700, 701, 1700]);
const jsonTypes: ReadonlySet<number> = new Set([16, 20, 21, 23, 26, 114, 700, 701, 3802]);

interface Answer extends pg.QueryArrayResult<Cell[]> {
  command: string;
}

/** Prints results and errors. */
interface Output {
  help(text: string): void;
  answer(answer: Answer): void;
  error(state: string, error: { message: string; detail?: string; hint?: string }): void;
}

export function sqlCommand(): Command {
  return newAction('sql', 'Read the database in SQL: one statement, or a prompt.')
    .argument('[statement]', 'SQL; without it, reads statements that end with ";" (\\? prints help)')
    .action((statement: string | undefined, options: { json?: boolean }) =>
      withDatabase(async (url) => {
        const client = await connect(url);
        const output = options.json === true ? jsonOutput : textOutput;
        const ok =
          statement === undefined
            ? await readStatements(client, output)
            : ((await runCommand(client, statement, output)) ??
              (await runStatement(client, { text: statement }, output)));
        if (!ok) process.exitCode = 1;
        await client.end();
      }),
    );
}

/** Connects without type conversion: values remain the text that Postgres sends. */
async function connect(url: string): Promise<pg.Client> {
  if (!URL.canParse(url)) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'The database URL is invalid: expected postgres://user:password@host:port/database.',
    );
  }
  const client = new pg.Client({
    connectionString: url,
    application_name: 'reprise sql',
    types: {
      getTypeParser:
        () =>
        (value: Cell): Cell =>
          value,
    },
  });
  client.on('error', (error) => {
    console.error(`ERROR: ${error.message}`);
    process.exit(1);
  });
  try {
    await client.connect();
    await client.query('set default_transaction_read_only = on');
  } catch (error) {
    const { hostname, port, pathname } = new URL(url);
    throw connectError(error, `${hostname}:${port || '5432'}${pathname}`);
  }
  return client;
}

/** Reads statements from the terminal or a pipe, until \q or the end. Returns true when every statement succeeded. */
async function readStatements(client: pg.Client, output: Output): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout, terminal: process.stdin.isTTY });
  const prompt = (text: string): void => {
    if (!process.stdin.isTTY) return;
    lines.setPrompt(text);
    lines.prompt();
  };
  lines.once('SIGINT', () => lines.close());
  let ok = true;
  let pending = '';
  if (process.stdin.isTTY) console.log('Type \\? for help.');
  prompt(prompts.first);
  for await (const line of lines) {
    if (pending === '' && promptCommand(line) === 'quit') break;
    const done = pending === '' ? await runCommand(client, line, output) : undefined;
    if (done === undefined) pending += `${line}\n`;
    else ok = done && ok;
    if (isComplete(pending)) {
      ok = (await runStatement(client, { text: pending }, output)) && ok;
      pending = '';
    }
    if (pending.trim() === '') pending = '';
    prompt(pending === '' ? prompts.first : prompts.next);
  }
  if (pending !== '') ok = (await runStatement(client, { text: pending }, output)) && ok;
  return ok;
}

/** Runs a prompt command and returns whether it succeeded; undefined when the line is not a prompt command. */
async function runCommand(client: pg.Client, line: string, output: Output): Promise<boolean | undefined> {
  const command = promptCommand(line);
  switch (command) {
    case undefined:
      return undefined;
    case 'quit':
      return true;
    case 'help':
      output.help(promptHelp);
      return true;
    case 'unknown':
      output.error('42601', { message: `unknown command ${line.trim()}`, hint: '\\? lists the commands.' });
      return false;
    default:
      return await runStatement(client, command, output);
  }
}

/** Whether the text ends with a semicolon outside strings, quoted names and comments. */
function isComplete(text: string): boolean {
  const bare = text.replace(/'(?:[^']|'')*'|"[^"]*"|--.*|\/\*[\s\S]*?\*\/|(\$\w*\$)[\s\S]*?\1/g, ' ');
  return /;\s*$/.test(bare) && !/['"]|\/\*|\$\w*\$/.test(bare);
}

async function runStatement(client: pg.Client, statement: Statement, output: Output): Promise<boolean> {
  const { text, values, missing } = statement;
  try {
    const parameters = values === undefined ? {} : { values: [...values] };
    const result = await client.query<Cell[]>({ text, ...parameters, rowMode: 'array' });
    if (missing !== undefined && result.rowCount === 0) {
      output.error('42P01', { message: missing, hint: '\\d lists them.' });
      return false;
    }
    // A text with several statements returns several results.
    for (const answer of (Array.isArray(result) ? result : [result]) as Answer[]) output.answer(answer);
    return true;
  } catch (error) {
    const state = sqlstateOf(error);
    if (state === undefined) throw error;
    output.error(state, error as Error & { detail?: string; hint?: string });
    return false;
  }
}

const textOutput: Output = {
  help: (text) => console.log(text),
  answer({ command, fields, rows }) {
    if (fields.length === 0) {
      console.log(command);
      return;
    }
    const right = new Set([...fields.keys()].filter((index) => numberTypes.has(fields[index]?.dataTypeID ?? 0)));
    const names = fields.map((field) => field.name);
    console.log(`${formatTable(names, rows, right)}\n${countRows(rows.length)}`);
  },
  error(state, { message, detail, hint }) {
    console.error(`ERROR ${state}: ${message}`);
    if (detail !== undefined) console.error(`DETAIL: ${detail}`);
    if (hint !== undefined) console.error(`HINT: ${hint}`);
  },
};

/** Prints one array of objects per statement. Booleans, numbers and JSON keep their type; other values are text. */
const jsonOutput: Output = {
  help: (text) => console.error(text),
  answer({ fields, rows }) {
    const objects = rows.map((row) =>
      Object.fromEntries(fields.map((field, index) => [field.name, toJson(row[index] ?? null, field.dataTypeID)])),
    );
    console.log(JSON.stringify(objects));
  },
  error(state, { message, detail, hint }) {
    console.error(JSON.stringify({ error: { code: state, message, detail, hint } }));
  },
};

function toJson(value: Cell, type: number): unknown {
  if (value === null || !jsonTypes.has(type) || /^-?(NaN|Infinity)$/.test(value)) return value;
  if (type === 16) return value === 't';
  return type === 20 && !Number.isSafeInteger(Number(value)) ? value : JSON.parse(value);
}
