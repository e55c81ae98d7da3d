// Replays random programs with live activities from random points on the real engine. When nothing is changed, the record
// answers every call: the replay ends as its run did, with the same context, and enters nothing.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { Forks } from '../support/forks.ts';
import { programStep } from '../support/program-steps.ts';

const engine = await testEngine({ workflowBundle: await fixtureBundle('program-workflow.ts') });
const forks = new Forks(engine);

it('an unchanged replay from any event ends as its run did', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(programStep, { maxLength: 6 }), fc.nat(), async (steps, choice) => {
      const handle = await engine.start('program', [steps]);
      await handle.result();
      const events = await forks.historyOf(handle.runId!);
      const from = 2 + (choice % Math.max(1, events.length - 2));
      const report = await handle.replay({ mode: 'LIVE_TOOLS', live: 'divergent', from });
      const seen = JSON.stringify({ stop: report.stop, outcome: report.outcome, from });
      assert.equal(report.outcome.isSame, true, seen);
      assert.equal(report.stateHash, report.expectedHash, seen);
      assert.deepEqual([report.paths, report.missing, report.extra], [[], [], []], seen);
      assert.equal(report.matchRate, null);
      assert.deepEqual(await forks.historyOf(handle.runId!), events);
      await forks.assertVerified(report.forkRunId);
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 30) },
  );
});
