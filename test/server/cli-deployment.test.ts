import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildLab } from '../support/builds.ts';
import { until } from '../support/engine.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';

const lab = await buildLab('orders');
await lab.build('1.0');
await lab.build('2.0');
const { connectionString } = lab;

function deployment(...args: string[]): Promise<CommandRun> {
  return reprise(['deployment', ...args], { url: connectionString });
}

test('set-current and set-ramping change which version takes new runs, and print it', async () => {
  const none = await deployment('list');
  assert.match(none.out, /^shop +\| +\|\n\(1 row\)/m);
  const current = await deployment('set-current', 'shop', '1.0');
  assert.deepEqual([current.code, current.err], [0, '']);
  assert.match(current.out, /^shop\.1\.0 +\| current +\| +0 \| +0 \| +1 \| orders$/m);
  const ramping = await deployment('set-ramping', 'shop', '2.0', '--percentage', '12.5');
  assert.match(ramping.out, /^shop\.2\.0 +\| ramping 12\.5 % /m);
  assert.match((await deployment('list')).out, /^shop +\| 1\.0 +\| 2\.0 \(12\.5 %\)$/m);
  const over = await deployment('set-ramping', 'shop');
  assert.match(over.out, /^shop\.2\.0 +\| draine?d/m);
});

test('describe counts open runs, also as JSON', async () => {
  const [pinned, moving] = [await lab.start('pinned'), await lab.start('moving')];
  for (const handle of [pinned, moving]) {
    await until(async () => (await handle.describe()).versioningInfo?.behavior !== undefined);
  }
  const described = await until(async () => {
    const { out } = await deployment('describe', 'shop');
    return /^shop\.1\.0 +\| current +\| +1 /m.test(out) && out;
  });
  assert.match(described, /^1 open runs follow the current version$/m);
  const { out } = await deployment('describe', 'shop', '--json');
  const { versions } = JSON.parse(out) as { versions: { pinnedRuns: number; status: string }[] };
  assert.deepEqual(
    versions.map(({ status, pinnedRuns }) => [status, pinnedRuns]),
    [
      ['CURRENT', 1],
      ['DRAINED', 0],
    ],
  );
  const shown = await reprise(['workflow', 'show', pinned.workflowId], { url: connectionString });
  assert.match(shown.out, /^version +shop\.1\.0 \(pinned\)$/m);
});

test('invalid changes are refused', async () => {
  const unknown = await deployment('set-current', 'shop', '9');
  assert.deepEqual([unknown.code, unknown.err.split(':')[0]], [1, 'INVALID_INPUT']);
  const nowhere = await deployment('describe', 'shpo', '--json');
  assert.equal((JSON.parse(nowhere.err) as { error: { code: string } }).error.code, 'INVALID_INPUT');
  for (const percentage of ['101', '-1', 'half']) {
    assert.equal((await deployment('set-ramping', 'shop', '2.0', '--percentage', percentage)).code, 64);
  }
  assert.equal((await deployment('set-current', 'shop', '9', '--allow-no-pollers')).code, 0);
});
