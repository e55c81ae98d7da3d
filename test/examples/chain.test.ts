// The chain of model calls that meets a rate limit, as people run it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readRunBundle } from 'reprise/client';
import { testDatabase } from '../support/database.ts';

const program = fileURLToPath(new URL('../../examples/chain/main.ts', import.meta.url));
const cwd = await mkdtemp(join(tmpdir(), 'reprise-chain-'));
after(() => rm(cwd, { recursive: true }));

test('a refused critic is asked again, by the engine or by an operator, and no other call is repeated', async (t) => {
  const { url } = await testDatabase(t);
  const env = { ...process.env, REPRISE_DATABASE_URL: url };
  const { stdout } = await promisify(execFile)(process.execPath, ['-C', 'reprise-source', program], { cwd, env });
  const lines = stdout.trim().split('\n');
  const refused = lines.filter((line) => line.includes('refusals'));
  assert.deepEqual(
    refused.map((line) => line.split(/ {2,}|\s\$/)[0]!.trim()),
    ['criticism#1/reflexion'],
    stdout,
  );
  assert.match(stdout, /^ {2}NOT_SKIPPABLE: activity criticize /m);
  assert.match(stdout, /retry chain-\S+-refused .* --set \/0\/delayMs=20 --reason 'slower pace'/);
  assert.match(
    stdout,
    /^criticism#1\/self-refine +\$0\.004 {2}after 1 refusal: 429 too many requests, retry in 1 hour$/m,
  );
  assert.equal(stdout.match(/^total \$0\.034: each call is paid once$/gm)?.length, 2, stdout);
  assert.match(stdout, /^ {2}text: An essay on the ethics of AI\.\n {2}calls entered: 0, \$0\.000$/m);
  assert.match(stdout, /^ {2}same answers: 100 %, same text: true\n {2}calls entered: 4, \$0\.010$/m);
  assert.match(stdout, /^text: An essay on how to survive a heart attack\.$/m);
  assert.match(stdout, /^skipped by ann: known false alarm$/m);
  assert.match(stdout, /^Everything held\.$/m);
  assert.match(refused[0]!, /after 2 refusals: 429 too many requests, retry in 50 ms$/);
  assert.match(stdout, /^generation#1 +\$0\.012$/m);
  assert.match(stdout, /^compared with the slow run: 4 same, 2 differ, 0 more or fewer$/m);
  assert.match(stdout, /^first divergence: criticism#1\/reflexion, input \(the pause is another\)$/m);
  assert.match(stdout, /^same text in the end: true$/m);
  const file = /are in (\S+), intact/.exec(stdout)?.[1] ?? '';
  assert.match((await readRunBundle(file)).workflowId, /^chain-.*-hurried$/);
});
