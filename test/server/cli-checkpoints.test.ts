import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testEngine } from '../support/engine.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';

const engine = await testEngine();
const { url, pool } = engine;
const handle = await engine.start('tallyAll', [3, 1], 'tally');
await handle.result();

function run(...args: string[]): Promise<CommandRun> {
  return reprise(args, { url });
}

test('checkpoint names the present state, and checkpoints lists it', async () => {
  const made = await run('workflow', 'checkpoint', 'tally', '--name', 'audited');
  assert.deepEqual([made.code, made.err], [0, '']);
  assert.match(made.out, /audited \| manual .*\| pinned \|/);
  assert.match((await run('workflow', 'checkpoints', 'tally')).out, /^\(1 row\)$/m);
  const state = await run('workflow', 'state', 'tally', '--at', 'checkpoint:audited');
  assert.equal(state.out, (await run('workflow', 'state', 'tally')).out);
  const again = await run('workflow', 'checkpoint', 'tally', '--name', 'audited');
  assert.deepEqual([again.code, again.err.startsWith('CHECKPOINT_EXISTS')], [1, true]);
  assert.equal((await run('workflow', 'checkpoint', 'tally')).code, 64);
});

test('a damaged checkpoint is said and passed over', async () => {
  await pool.query('update reprise.checkpoints set state = state || $1::bytea', [Buffer.from('x')]);
  const { code, out, err } = await run('workflow', 'state', 'tally');
  assert.equal(code, 0);
  assert.match(out, /"done": 3/);
  assert.match(err, /^the checkpoint at seq \d+ was passed over: it is damaged/);
  const checked = await run('workflow', 'checkpoints', 'tally', '--check');
  assert.deepEqual([checked.code, checked.out.includes('pinned, it is damaged')], [2, true]);
  assert.equal((await run('workflow', 'checkpoints', 'tally')).code, 0);
});

test('a closed log that lost its last turn is found by the head that the run keeps', async () => {
  const cut = await engine.start('tallyAll', [2, 1], 'cut');
  await cut.result();
  const { events } = await cut.verify();
  const { rows } = await pool.query<{ seq: number }>(
    'select max(seq) as seq from reprise.events where run_id = $1 and hash is not null and seq < $2',
    [cut.runId, events],
  );
  await pool.query('delete from reprise.events where run_id = $1 and seq > $2', [cut.runId, rows[0]!.seq]);
  const { ok, fault } = await cut.verify();
  assert.equal(ok, false);
  assert.match(fault?.problem ?? '', new RegExp(`ended at seq ${events}, its log ends at seq ${rows[0]!.seq}$`));
});

test('hold keeps a run from prune until it is released', async () => {
  await pool.query("update reprise.runs set closed_at = closed_at - interval '2 years' where workflow_id = 'tally'");
  assert.equal((await run('workflow', 'hold', 'tally', '--reason', 'audit', '--actor', 'ann')).code, 0);
  assert.match((await run('prune', '--dry-run')).out, /^closed runs +\| +0 \|/m);
  assert.equal((await run('workflow', 'hold', 'tally')).code, 64);
  assert.match((await run('workflow', 'hold', 'tally', '--release')).out, /The hold has ended/);
  const dry = await run('prune', '--dry-run', '--json');
  assert.equal((JSON.parse(dry.out) as { runs: { runs: number } }).runs.runs, 1);
  assert.match((await run('prune')).out, /^closed runs +\| +1 \| +\d+\n[\s\S]*Removed\.$/m);
  assert.equal((await run('workflow', 'state', 'tally')).code, 1);
});

test('system checkpoints are created, listed and validated', async () => {
  assert.equal((await run('system', 'checkpoints', 'create', 'monday')).code, 0);
  assert.match((await run('system', 'checkpoints', 'list')).out, /^monday +\| 2/m);
  assert.match(
    (await run('system', 'checkpoints', 'validate', 'monday')).out,
    /^System checkpoint monday is valid: 0 runs/,
  );
  assert.equal((await run('system', 'checkpoints', 'validate', 'tuesday')).code, 1);
  assert.equal((await run('system', 'checkpoints')).code, 64);
});
