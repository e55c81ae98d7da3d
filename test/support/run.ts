// `npm test`: starts one temporary Postgres for all test files and runs Node's test runner over them. The unit tests
// need neither Postgres nor isolation from each other, so they share one process. Passes arguments on to the runners.
// Prints a summary of both runners last, after the failures that the runners list.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startTestCluster } from './cluster.ts';

const given = process.argv.slice(2);
const options = given.filter((argument) => argument.startsWith('-'));
const files = given.filter((argument) => !argument.startsWith('-'));
const summaryLine = /^(?:\x1b\[\d+m)?ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)/;

interface Outcome {
  readonly code: number;
  readonly lines: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
}

const begun = performance.now();
const cluster = await startTestCluster();
const folder = await mkdtemp(join(tmpdir(), 'reprise-tests-'));
const env: NodeJS.ProcessEnv = {
  ...process.env,
  REPRISE_TEST_CLUSTER: cluster.url,
  REPRISE_TEST_BUNDLES: folder,
  // Hundreds of processes load the same modules. Compiling them once saves a quarter of the CPU time.
  NODE_COMPILE_CACHE: join(folder, 'compiled'),
};
// A test without an explicit address must never reach a developer's own database.
delete env['REPRISE_DATABASE_URL'];
delete env['DATABASE_URL'];
if (process.stdout.isTTY) env['FORCE_COLOR'] = '1';
try {
  const outcomes = await (files.length > 0 ? Promise.all([runFiles(files)]) : runAll());
  summarize(outcomes);
  process.exitCode = Math.max(...outcomes.map(({ code }) => code));
} finally {
  await cluster.stop();
  await rm(folder, { recursive: true });
}

async function runAll(): Promise<Outcome[]> {
  const isUnit = (file: string): boolean => /^test[/\\]unit[/\\]/.test(file);
  const all = globSync('test/**/*.test.ts').sort();
  // The two runners run at the same time. Their output is printed one after the other.
  const unit = run(['--test-isolation=none'], all.filter(isUnit), () => undefined);
  const others = runFiles(all.filter((file) => !isUnit(file)));
  await others;
  for (const line of (await unit).lines) console.log(line);
  return Promise.all([unit, others]);
}

/** Runs three files at a time, even on two cores, because most tests wait for Postgres, a timer or another process. */
function runFiles(paths: readonly string[]): Promise<Outcome> {
  return run(['--test-concurrency=3'], paths, (line) => console.log(line));
}

async function run(how: readonly string[], paths: readonly string[], print: (line: string) => void): Promise<Outcome> {
  const common = ['-C', 'reprise-source', '--test', '--test-reporter=spec', '--test-timeout=300000'];
  const runner = spawn(process.execPath, [...common, ...how, ...options, ...paths], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // The runner stops its child processes. This process stays alive to stop Postgres.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
  const counts = new Map<string, number>();
  const lines: string[] = [];
  for await (const line of createInterface({ input: runner.stdout })) {
    const [, name, count] = summaryLine.exec(line) ?? [];
    if (name !== undefined) counts.set(name, Number(count));
    else {
      lines.push(line);
      print(line);
    }
  }
  const [code] =
    runner.exitCode === null && runner.signalCode === null ? await once(runner, 'exit') : [runner.exitCode];
  return { code: typeof code === 'number' ? code : 1, lines, counts };
}

function summarize(outcomes: readonly Outcome[]): void {
  for (const name of ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo']) {
    console.log(`ℹ ${name} ${outcomes.reduce((sum, { counts }) => sum + (counts.get(name) ?? 0), 0)}`);
  }
  console.log(`ℹ duration_ms ${performance.now() - begun}`);
}
