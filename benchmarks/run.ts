// npm run bench: asks questions one after the other, on a Postgres with default durability. BM-01 (c) is not among
// them: it is the main job, `npm start`.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { type Bench, startBench } from './bench.ts';
import type { Question } from './question.ts';
import { questions, questionsOf } from './questions.ts';
import { asUsageError, countOf, UsageError } from './usage.ts';
import { spread } from './statistics.ts';

interface Options {
  readonly asked: readonly Question[];
  readonly rounds: number;
  readonly size: number | undefined;
  readonly json: boolean;
}

const usage = `npm run bench -- [options]

  --only W1,W2  these questions alone; without it, those that take no minutes
  --all         the long ones too
  --rounds N    how many rounds (default 5)
  --size N      how much work a round is, for a short try; what it counts stands below
  --json        one JSON line a measurement
  --help        print this

The database is REPRISE_DATABASE_URL's, or a Postgres of its own in a temporary folder.

${questions.map(({ id, title, size, isLong }) => `  ${id.padEnd(7)} ${title} (${size.usual.toLocaleString('en-US')} ${size.of}${isLong ? '; long' : ''})`).join('\n')}`;

/** Undefined when the user only asks for the usage. */
function parseOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      all: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      size: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { only, all, rounds, size, json } = values;
  if (only !== undefined && all) throw new UsageError('--only and --all exclude each other.');
  const asked = only === undefined ? questions.filter(({ isLong }) => all || isLong !== true) : questionsOf(only);
  if (size !== undefined && asked.length > 1) {
    throw new UsageError('--size counts something else in each question: name exactly one with --only.');
  }
  return {
    asked,
    rounds: countOf('rounds', rounds, 1),
    size: size === undefined ? undefined : countOf('size', size, 1, asked[0]?.size.most),
    json,
  };
}

async function ask(bench: Bench, question: Question, { rounds, size, json }: Options): Promise<void> {
  const { id, title } = question;
  const measurements = await question.run(bench, { rounds, size: size ?? question.size.usual });
  if (json) {
    for (const measurement of measurements) console.log(JSON.stringify({ question: id, ...measurement }));
    return;
  }
  console.log(`${id} ${title}`);
  for (const { name, unit, values, note } of measurements) {
    console.log(`  ${name.padEnd(50)} ${spread(values)} ${unit}${note === undefined ? '' : `; ${note}`}`.trimEnd());
  }
}

async function main(): Promise<number> {
  const options = parseOptions();
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  // Worker processes end with this process. Postgres must be stopped.
  const stopped = Promise.race(
    [['SIGINT', 130] as const, ['SIGTERM', 143] as const].map(([signal, code]) =>
      once(process, signal).then(() => code),
    ),
  );
  const bench = await startBench();
  const askAll = async (): Promise<number> => {
    for (const question of options.asked) await ask(bench, question, options);
    return 0;
  };
  try {
    return await Promise.race([askAll(), stopped]);
  } finally {
    await bench.stop();
  }
}

try {
  const code = await main();
  if (code !== 0) process.exit(code); // does not wait for interrupted questions
} catch (thrown) {
  const error = asUsageError(thrown);
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
