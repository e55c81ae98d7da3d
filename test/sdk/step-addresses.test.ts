// Addresses of steps whose ids have the form `type#n`, in verbs, forks and reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activity } from 'reprise/activity';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';

const engine = await testEngine({
  workflowBundle: await fixtureBundle('activity-calls.ts'),
  activities: {
    check: activity({ effect: 'none', skippable: true }, async (): Promise<string> => {
      throw new Error('always');
    }),
  },
});

test('an address type#n names the n-th call of the type, or else the activity with that id', async () => {
  // The second call has an id that is the address of the first one.
  const handle = await engine.start('callTogether', ['check', ['validation#1', 'check#1']], 'addressed');
  await engine.until(async () => {
    const { pendingActivities } = await handle.describe();
    return pendingActivities.filter(({ lastFailure }) => lastFailure !== null).length === 2;
  });
  const [first] = (await handle.history()).filter(({ type }) => type === 'ActivityScheduled');
  assert.equal((await handle.effectsAfter({ to: 'validation#1' })).point, first!.seq - 1);
  const bySeq = await handle.stateAt({ seq: first!.seq });
  assert.deepEqual(await handle.stateAt({ event: 'validation#1' }), bySeq);

  const skipped = await handle.skip({ activity: 'validation#1', result: 'skipped by id' });
  const answered = (await handle.history()).find(({ seq }) => seq === skipped.seq)?.answers;
  assert.equal(answered, first!.seq);
  await assert.rejects(handle.skip({ activity: 'check#1', result: '' }), { code: 'ACTIVITY_ALREADY_ENDED' });
  await assert.rejects(handle.skip({ activity: 'validation#2', result: '' }), { code: 'STEP_NOT_FOUND' });

  await handle.skip({ activity: 'check#2', result: 'skipped by call' });
  assert.deepEqual(await handle.result(), ['skipped by id', 'skipped by call']);
});
