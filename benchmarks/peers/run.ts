// npm run bench:peers: asks every system every question in turn, on one Postgres with default durability. Writes
// RESULTS.md if no system and no question was left out.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../../server/dev/embedded-postgres.ts';
import { type Failed, inFreshDatabase, killAll, measure, type Server, type Subject } from './child.ts';
import { asUsageError, countOf, UsageError } from '../usage.ts';
import { installPeers } from './install.ts';
import { type Limit, probe } from './probe.ts';
import { onceOnly, type Question, questions, scale, type System, systems, variantsOf } from './questions.ts';
import { describeMachine, type Results, resultsPage } from './results-page.ts';
import { summaryOf } from './figures.ts';
import type { Measured } from './adapter.ts';

const usage = `npm run bench:peers -- [options]

Asks every system every question in turn, on one embedded Postgres. Without options (or with more rounds) it takes
about 8 minutes a round and writes benchmarks/peers/RESULTS.md.

  --rounds N             how many rounds (default 3)
  --only W1,W2           which questions: ${questions.join()}
  --systems reprise,dbos which systems: ${systems.join()}
  --help                 print this

BENCH_SCALE=0.02 makes everything smaller, to try things out; ABSURD_SQL names Absurd's absurd.sql, without which it is left out.`;

interface Options {
  readonly rounds: number;
  readonly asked: readonly Question[];
  readonly wanted: readonly System[];
}

/** Undefined when the user only asks for the usage. */
function parseOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: questions.join() },
      systems: { type: 'string', default: systems.join() },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  if (!(scale > 0 && scale <= 10)) {
    throw new UsageError(`BENCH_SCALE ${process.env['BENCH_SCALE']}: expected a number above 0, at most 10.`);
  }
  return {
    rounds: countOf('rounds', values.rounds, 1, 1000),
    asked: chosen<Question>(questions, values.only),
    wanted: chosen<System>(systems, values.systems),
  };
}

function optionsOrExit(): Options {
  try {
    const options = parseOptions();
    if (options !== undefined) return options;
    console.log(usage);
    process.exit(0);
  } catch (thrown) {
    const error = asUsageError(thrown);
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

const { rounds, asked, wanted } = optionsOrExit();
const skipped: System[] = process.env['ABSURD_SQL'] === undefined ? ['absurd'] : [];
const taking = wanted.filter((system) => !skipped.includes(system));

await installPeers();
// Worker processes run the built package, as users install it, instead of the sources.
await promisify(execFile)('npm', ['run', '-s', 'build'], { cwd: fileURLToPath(new URL('../..', import.meta.url)) });
const folder = await mkdtemp(join(tmpdir(), 'reprise-bench-peers-'));
const postgres = await startPostgres({ folder });
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stopped.abort(new Error(`Stopped by ${signal}: nothing is written.`));
    killAll();
  });
}
try {
  const page = await resultsPage(await connected(postgres.url));
  console.log(`\n${page}`);
  const whole = asked.length === questions.length && wanted.length === systems.length && scale === 1;
  if (whole) await writeResults(page);
  else console.log('Something was left out or scaled: RESULTS.md stays as it is.');
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Formats the file as `npm run check` requires. */
async function writeResults(page: string): Promise<void> {
  const file = fileURLToPath(new URL('./RESULTS.md', import.meta.url));
  await writeFile(file, page);
  const biome = fileURLToPath(new URL('../../node_modules/.bin/biome', import.meta.url));
  await promisify(execFile)(biome, ['format', '--write', file]);
}

async function connected(url: string): Promise<Results> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    return await measureAll({ url, folder, admin });
  } finally {
    await admin.end();
  }
}

async function measureAll(server: Server): Promise<Results> {
  const machine = await describeMachine(server.admin);
  const measured: (Measured | Failed)[] = [];
  const limits: Limit[] = [];
  for (let round = 0; round < rounds; round++) {
    const limit = await inFreshDatabase(server, probe);
    limits.push(limit);
    console.log(`${round + 1}/${rounds} Postgres   one durable insert ${limit.commitMs.toFixed(3)} ms`);
    for (const [index, question] of asked.entries()) {
      for (const system of rotated(taking, round + index)) {
        if (round > 0 && onceOnly(question, system)) continue;
        for (const variant of variantsOf(question, system)) {
          measured.push(await measureAloud(server, round, { question, system, variant }));
        }
      }
    }
  }
  return {
    measured,
    limits,
    machine,
    rounds,
    asked,
    systems: taking,
    skipped: wanted.filter((s) => skipped.includes(s)),
  };
}

async function measureAloud(
  server: Server,
  round: number,
  { question, system, variant }: Subject,
): Promise<Measured | Failed> {
  const begun = performance.now();
  const one = await measure(server, { question, system, variant });
  stopped.signal.throwIfAborted();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const name = variant === '' ? system : `${system}, ${variant}`;
  console.log(`${round + 1}/${rounds} ${question.padEnd(3)} ${name}: ${summaryOf(one)} (took ${seconds} s)`);
  return one;
}

function rotated<T>(values: readonly T[], by: number): readonly T[] {
  const at = by % values.length;
  return [...values.slice(at), ...values.slice(0, at)];
}

function chosen<T extends string>(known: readonly T[], list: string): readonly T[] {
  const names = list.split(',');
  const unknown = names.filter((name) => !known.some((one) => one === name));
  if (unknown.length > 0) throw new UsageError(`There is no ${unknown.join(', ')}. There are ${known.join(', ')}.`);
  return known.filter((one) => names.includes(one));
}
