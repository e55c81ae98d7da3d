// The pipeline that fails, is resumed by other processes and waits for a person, as people run it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { testDatabase } from '../support/database.ts';

const program = fileURLToPath(new URL('../../examples/climate/main.ts', import.meta.url));
const cwd = await mkdtemp(join(tmpdir(), 'reprise-climate-'));
after(() => rm(cwd, { recursive: true }));

test('a failed pipeline is resumed by other processes, and no finished stage is executed again', async (t) => {
  const { url, pool } = await testDatabase(t);
  const env = { ...process.env, REPRISE_DATABASE_URL: url };
  const { stdout } = await promisify(execFile)(process.execPath, ['-C', 'reprise-source', program], { cwd, env });
  assert.match(stdout, /^status +failed in analyze: analysis interrupted: simulated system failure$/m);
  assert.match(stdout, /^path +ingest → preprocess → analyze$/m);
  assert.match(stdout, /^state +\{"stage":"preprocess","temperatures":144,"years":60,"per100ppm":0\}$/m);
  assert.match(stdout, /^report +1\.05 °C per 100 ppm of CO2, .* of 60 years; reviewed by Ann$/m);
  for (const line of ['ingest       executed 1', 'preprocess   executed 1', 'analyze      executed 2']) {
    assert.ok(stdout.includes(line), stdout);
  }
  assert.match(stdout, /^Everything held\.$/m);
  const { rows } = await pool.query<{ status: string }>('select status from reprise.runs order by started_at, run_id');
  assert.deepEqual(
    rows.map(({ status }) => status),
    ['failed', 'completed'],
  );
});
