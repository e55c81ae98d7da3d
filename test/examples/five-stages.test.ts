// The job of five stages that loses two of its three workers, as people run it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { testDatabase } from '../support/database.ts';

const program = fileURLToPath(new URL('../../examples/five-stages/main.ts', import.meta.url));
const cwd = await mkdtemp(join(tmpdir(), 'reprise-five-stages-'));
after(() => rm(cwd, { recursive: true }));

function run(args: readonly string[], url = ''): Promise<{ stdout: string }> {
  const env = { ...process.env, REPRISE_DATABASE_URL: url };
  return promisify(execFile)(process.execPath, ['-C', 'reprise-source', program, ...args], { cwd, env });
}

test('two lost workers repeat only what they were doing, and a woken one can write nothing', async (t) => {
  const { url } = await testDatabase(t);
  const { stdout } = await run(['--lease', '5000'], url);
  const rows = stdout.split('\n').filter((line) => /^(ingest|clean|features|train|evaluate) +\d +1 /.test(line));
  assert.deepEqual(
    rows.map((row) => row.split(/ +/).slice(0, 4)),
    [
      ['ingest', '1', '1', '0.2'],
      ['clean', '2', '1', '0.4'],
      ['features', '1', '1', '0.6'],
      ['train', '2', '1', '0.8'],
      ['evaluate', '1', '1', '1'],
    ],
    stdout,
  );
  assert.match(rows[1]!, /(worker-\d) lost by SIGSTOP, (?!\1)worker-\d continues from its start /);
  assert.match(rows[3]!, /(worker-\d) lost by SIGKILL, (?!\1)worker-\d continues in epoch 7 of 10 /);
  assert.match(stdout, /^train +600 ms +1800 ms +3\.0 times$/m);
  assert.match(stdout, /Its result is not in the log\. It says:\n +This worker /);
  assert.match(stdout, /^saved +checkpoints of the context at progress 0\.4, 0\.6, 0\.8$/m);
  assert.match(stdout, /hash chain intact$/m);
  assert.match(stdout, /the same as a training without losses$/m);
  assert.match(stdout, /^Everything held\.$/m);
});

test('the usage and the error of a bad option name the option', async () => {
  assert.match((await run(['--help'])).stdout, /--lease MS/);
  await assert.rejects(run(['--lease', '10']), /--lease 10: expected a whole number from 1000\./);
});
