// `npm test`: one throw-away Postgres for all test files, then Node's test runner over them. Arguments pass through.
// The runner's summary is printed last, also when it lists failures after it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startTestCluster } from './cluster.ts';

const given = process.argv.slice(2);
const options = given.filter((argument) => argument.startsWith('-'));
const files = given.filter((argument) => !argument.startsWith('-'));
const summaryLine = /^(\x1b\[\d+m)?ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+/;

const cluster = await startTestCluster();
// Hundreds of processes load the same modules: compiled once, they take a quarter less of the processor.
const compiled = await mkdtemp(join(tmpdir(), 'reprise-compiled-'));
try {
  process.exitCode = await runTests({ REPRISE_TEST_CLUSTER: cluster.url, NODE_COMPILE_CACHE: compiled });
} finally {
  await cluster.stop();
  await rm(compiled, { recursive: true });
}

async function runTests(given: NodeJS.ProcessEnv): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...given };
  // A developer's own database must never be reached by a test that leaves the address out.
  delete env['REPRISE_DATABASE_URL'];
  delete env['DATABASE_URL'];
  if (process.stdout.isTTY) env['FORCE_COLOR'] = '1';
  const runner = spawn(
    process.execPath,
    [
      ...[
        '-C',
        'reprise-source',
        '--test',
        '--test-reporter=spec',
        '--test-concurrency=2',
        '--test-timeout=180000',
        ...options,
      ],
      ...(files.length > 0 ? files : ['test/**/*.test.ts']),
    ],
    { env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  // The runner stops its children itself; this process stays to stop Postgres.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
  const summary: string[] = [];
  for await (const line of createInterface({ input: runner.stdout })) {
    if (summaryLine.test(line)) summary.push(line);
    else console.log(line);
  }
  for (const line of summary) console.log(line);
  const [code] =
    runner.exitCode === null && runner.signalCode === null ? await once(runner, 'exit') : [runner.exitCode];
  return typeof code === 'number' ? code : 1;
}
