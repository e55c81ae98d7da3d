// npm run bench:compare <ref>: asks the working tree and another commit the same questions in turns, on one Postgres.
// Reports which measurements got slower or faster. Exit code 1: a measurement got slower. Exit code 2: bad input.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startBenchPostgres } from './bench.ts';
import { checkOut, commitOf, ownTree, removeTree } from './other-tree.ts';
import type { Measurement, Question } from './question.ts';
import { questionsOf } from './questions.ts';
import { asUsageError, countOf, UsageError } from './usage.ts';
import { ratioInterval, verdictOf } from './ratio-interval.ts';
import { figure, median } from './statistics.ts';

const leastRounds = 7;
const usage = `npm run bench:compare <ref> -- [options]

Compares the working tree with another commit; the questions are the working tree's.

  --only W1,W2  which questions (default W1,W2,W2b,W3,W5)
  --rounds N    how many rounds, ${leastRounds} or more (default ${leastRounds})
  --size N      how much work a round is, for a short try: where it is tiny, so is what the verdicts are worth
  --help        print this`;

interface Options {
  readonly ref: string;
  readonly commit: string;
  readonly asked: readonly Question[];
  readonly rounds: number;
  readonly size: string | undefined;
}

type Side = 'mine' | 'theirs';

/** One measurement, with a value for each round and each of the two trees. */
interface Pairs {
  readonly question: string;
  readonly measurement: Measurement;
  readonly mine: number[];
  readonly theirs: number[];
}

async function parseOptions(): Promise<Options | undefined> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', default: 'W1,W2,W2b,W3,W5' },
      rounds: { type: 'string', default: String(leastRounds) },
      size: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const [ref, ...rest] = positionals;
  if (ref === undefined || rest.length > 0) throw new UsageError(`Expected one commit to compare with.\n\n${usage}`);
  const asked = questionsOf(values.only);
  const rounds = countOf('rounds', values.rounds, leastRounds);
  if (values.size !== undefined) countOf('size', values.size, 1, asked[0]?.size.most);
  if (values.size !== undefined && asked.length > 1) {
    throw new UsageError('--size counts something else in each question: name exactly one with --only.');
  }
  return { ref, commit: await commitOf(ref), asked, rounds, size: values.size };
}

/** Asks one question once, in a new process with a new database. */
async function ask(tree: string, server: string, question: Question, options: Options, signal: AbortSignal) {
  const database = `bench_${question.id.toLowerCase().replaceAll('-', '_')}`;
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  try {
    await admin.query(`create database ${database}`);
    const url = new URL(server);
    url.pathname = `/${database}`;
    const args = ['--json', '--only', question.id, '--rounds', '1', ...(options.size ? ['--size', options.size] : [])];
    const child = spawn(process.execPath, [...process.execArgv, join(tree, 'benchmarks', 'run.ts'), ...args], {
      cwd: tree,
      env: { ...process.env, REPRISE_DATABASE_URL: url.href },
      stdio: ['ignore', 'pipe', 'inherit'],
      signal,
    });
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    if (code !== 0) throw new Error(`${question.id} failed in ${tree} with exit code ${String(code)}.`);
    return output
      .split('\n')
      .filter((line) => line.startsWith('{"question":'))
      .map((line) => JSON.parse(line) as Measurement);
  } finally {
    await admin.query(`drop database if exists ${database} with (force)`);
    await admin.end();
  }
}

async function compare(options: Options, trees: Record<Side, string>, server: string, signal: AbortSignal) {
  const pairs = new Map<string, Pairs>();
  for (let round = 0; round < options.rounds; round++) {
    console.error(`round ${round + 1} of ${options.rounds}`);
    const order: readonly Side[] = round % 2 === 0 ? ['mine', 'theirs'] : ['theirs', 'mine'];
    for (const question of options.asked) {
      for (const side of order) {
        for (const measurement of await ask(trees[side], server, question, options, signal)) {
          const key = `${question.id} ${measurement.name}`;
          const pair = pairs.get(key) ?? { question: question.id, measurement, mine: [], theirs: [] };
          pair[side].push(median(measurement.values));
          pairs.set(key, pair);
        }
      }
    }
  }
  return [...pairs.values()];
}

/** Prints a line for each measurement. Returns true if at least one measurement got slower. */
function tell(pairs: readonly Pairs[], ref: string): boolean {
  let slower = false;
  const line = (cells: readonly string[]): void => {
    const [name = '', ...rest] = cells;
    console.log(`${name.padEnd(42)}${rest.map((cell) => cell.padStart(14)).join('')}`.trimEnd());
  };
  line(['median', 'working tree', ref.slice(0, 12), 'ratio', '95 %']);
  for (const { question, measurement, mine, theirs } of pairs) {
    const { name, unit, better } = measurement;
    const interval = ratioInterval(mine, theirs);
    const verdict = interval === undefined ? 'no ratio: a value is not above 0' : verdictOf(interval, better);
    if (verdict === 'slower') slower = true;
    const range = interval === undefined ? '' : `  ${interval.low.toFixed(3)}-${interval.high.toFixed(3)}`;
    line([
      `${question} ${name}, ${unit}`,
      figure(median(mine)),
      figure(median(theirs)),
      interval?.ratio.toFixed(3) ?? '',
      `${range}  ${verdict}`,
    ]);
  }
  return slower;
}

async function main(): Promise<number> {
  const options = await parseOptions();
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  // When the reader of our output closes the pipe (`| head`), clean up before the process ends.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.abort());
  const folder = await mkdtemp(join(tmpdir(), 'reprise-compare-'));
  const theirs = join(folder, 'tree');
  let postgres: Awaited<ReturnType<typeof startBenchPostgres>> | undefined;
  try {
    await checkOut(options.commit, theirs, stop.signal);
    postgres = await startBenchPostgres();
    const pairs = await compare(options, { mine: ownTree, theirs }, postgres.url, stop.signal);
    return tell(pairs, options.ref) ? 1 : 0;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.error('Stopped.');
    return 130;
  } finally {
    await postgres?.stop();
    await removeTree(theirs);
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const error = asUsageError(thrown);
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 3;
}
