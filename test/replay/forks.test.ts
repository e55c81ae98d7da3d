// Replays of forks: along the line of their ancestors, at every seq, also from packed pages in another thread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { mockTools, mockToolsReport } from '../../runtime/replay/mock/mock-tools.ts';
import { recordedState } from '../../runtime/replay/context/patch-only.ts';
import { StoredHistory } from '../../runtime/store/log/stored-history.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { Forks, forkPoints } from '../support/forks.ts';

const workflowBundle = await fixtureBundle('program-workflow.ts');
const engine = await testEngine({ workflowBundle });
const forks = new Forks(engine);
const sandbox = Sandbox.create(loadBundle(workflowBundle));
const steps = [{ do: 'update', key: 'a' }, { do: 'call', value: 'x' }, { do: 'random' }, { do: 'call', value: 'y' }];

test('a fork, and a fork of a fork, give the document of the recorded patches at every seq', async () => {
  let handle = await engine.start('program', [steps]);
  await handle.result();
  for (const verb of ['reset', 'fork'] as const) {
    const points = forkPoints(await forks.historyOf(handle.runId!));
    const point = points[Math.floor(points.length / 2)]!;
    handle = await forks.fork(handle.runId!, point, verb === 'fork' ? { verb, workflowId: 'forked' } : { verb });
    // A fork with a workflow id of its own waits for its pending activities.
    if (verb === 'reset') await handle.result();
    const source = await StoredHistory.open(engine.connection.database, handle.runId!);
    assert.equal(source.line.length, verb === 'reset' ? 2 : 3);
    for (let to = 1; to <= source.head; to++) {
      const expected = await recordedState(source, to);
      const { success, stateHash, divergences } = mockToolsReport(
        await mockTools(source, sandbox, { to }),
        expected,
        0,
      );
      assert.deepEqual([divergences, success, stateHash], [[], true, expected.hash], `${verb} up to ${to}`);
    }
    assert.equal(source.bundleHash, sandbox.bundle?.hash); // a fork that no worker has had has its origin's
    const report = await handle.replay({ mode: 'MOCK_TOOLS', to: source.head });
    assert.deepEqual([report.success, report.events], [true, source.head]);
  }
});
