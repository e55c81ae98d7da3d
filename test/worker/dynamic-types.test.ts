// Default exports: an activity for every unknown activity type, and a workflow for every unknown workflow type.
// Behavior 56 of docs/behaviors.md. With the run cached, rebuilt from the log for every turn, and replayed.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { activityInfo } from 'reprise/activity';
import { testEngine } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';
import { sandboxOf, writePackage } from '../unit/sandbox/workflow-files.ts';

const code = `
  import { proxyActivities, proxyLocalActivities, workflowInfo } from 'reprise/workflow';
  const ordinary = proxyActivities({ startToCloseTimeout: 1000 });
  const local = proxyLocalActivities({ startToCloseTimeout: 1000 });

  export async function known(...args) {
    return ['known', workflowInfo().workflowType, args, await ordinary.defined('a'), await ordinary.unknown('b', 'c'), await local.unheard()];
  }

  export default async function (...args) {
    return ['dynamic', workflowInfo().workflowType, args, await ordinary.defined('a')];
  }
`;
const activities = {
  defined: async (...args: unknown[]): Promise<unknown> => ['defined', args],
  default: async (...args: unknown[]): Promise<unknown> => {
    const { activityType, isLocal } = activityInfo();
    return ['dynamic', activityType, isLocal, args];
  },
};
const options = { workflowsPath: join(writePackage({ 'workflows.js': code }), 'workflows.js'), activities };
const sandbox = await sandboxOf({ 'workflows.js': code });

for (const [way, engine] of [
  ['cached', await testEngine(options)],
  ['evicted after every turn', await testEngine({ ...options, maxCachedRuns: 0 })],
] as const) {
  it(`the default activity runs for every unknown type, also as a local activity; a run that is ${way}`, async () => {
    const handle = await engine.start('known', [1]);
    assert.deepEqual(await handle.result(), [
      'known',
      'known',
      [1],
      ['defined', ['a']],
      ['dynamic', 'unknown', false, ['b', 'c']],
      ['dynamic', 'unheard', true, []],
    ]);
    await assertReplays(engine.connection.database, handle.runId!, sandbox);
  });

  for (const type of ['never-exported', 'constructor', '__proto__']) {
    it(`the default workflow runs for the unknown type ${type}; a run that is ${way}`, async () => {
      const handle = await engine.start(type, [1, 'two']);
      assert.deepEqual(await handle.result(), ['dynamic', type, [1, 'two'], ['defined', ['a']]]);
      assert.equal((await handle.describe()).type, type);
      await assertReplays(engine.connection.database, handle.runId!, sandbox);
    });
  }
}
