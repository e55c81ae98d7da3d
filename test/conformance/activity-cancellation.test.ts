// What a cancelled scope does to activities on a real worker. Behavior 37 of spec/sdk.md; with the run cached, with its code
// made again for every turn, and with the recorded history replayed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { activityInfo, cancellationDetails, Context } from 'reprise/activity';
import { testEngine, until } from '../support/engine.ts';
import type { ActivityCall, FailureView } from '../support/fixtures/activity-calls.ts';
import { assertReplays } from '../support/replays.ts';

const kinds = ['WAIT_CANCELLATION_COMPLETED', 'TRY_CANCEL', 'ABANDON'] as const;
/** Why an activity was told to stop, by run. */
const told = new Map<string, string>();
let released = Promise.withResolvers<void>();

const activities = {
  async stubborn(): Promise<string> {
    const { runId } = activityInfo().workflowExecution!;
    const { message } = await Context.current().cancelled.catch((error: Error) => error);
    told.set(runId, cancellationDetails()?.cancelRequested === true ? message : `${message}, not asked to`);
    return 'done all the same';
  },
  async untilReleased(): Promise<void> {
    await released.promise;
  },
};
const cached = await testEngine({ activities });
const evicted = await testEngine({ activities, maxCachedRuns: 0 });
const narrow = await testEngine({ activities, maxConcurrentActivities: 1 });
interface Result {
  failure: FailureView;
  isCancellation: boolean;
}

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  describe(`a running activity of a run that is ${way}`, () => {
    for (const cancellationType of kinds) {
      for (const local of [false, true]) {
        it(`is let go of as ${cancellationType} says${local ? ', also a local one' : ''}`, async () => {
          const options = { cancellationType };
          const linger = cancellationType === 'TRY_CANCEL' ? 300 : 20;
          const call: ActivityCall = { type: 'stubborn', options, local, cancelAfter: 20, linger };
          const handle = await engine.start('callActivity', [call]);
          const result = (await handle.result()) as Result;
          const history = (await handle.history()).map((event) => event.type);
          const reason = await until(async () => told.get(handle.runId!));
          if (cancellationType === 'WAIT_CANCELLATION_COMPLETED') {
            assert.equal(result, 'done all the same');
          } else {
            assert.equal(result.isCancellation, true);
            assert.equal(result.failure.message, local ? 'Local Activity cancelled' : 'Activity cancelled');
            assert.equal((result.failure['cause'] as FailureView).message, 'Cancellation scope cancelled');
          }
          const isAsked = cancellationType !== 'ABANDON';
          assert.equal(reason, isAsked ? 'CANCELLED' : 'NOT_FOUND, not asked to');
          assert.equal(history.includes('ActivityCancelRequested'), isAsked);
          assert.equal(history.includes('ActivityCompleted'), isAsked, 'what comes late is a fact all the same');
          await assertReplays(engine.connection.database, handle.runId!);
        });
      }
    }
  });
}

it('an activity that has not begun is cancelled at once, unless it is abandoned', async () => {
  for (const cancellationType of kinds) {
    released = Promise.withResolvers();
    const blocker = await narrow.start('callActivity', [{ type: 'untilReleased' }]);
    await until(async () => (await blocker.describe()).pendingActivities.length === 1);
    const call: ActivityCall = { type: 'stubborn', options: { cancellationType }, cancelAfter: 20 };
    const handle = await narrow.start('callActivity', [call]);
    const { isCancellation } = (await handle.result()) as Result;
    assert.equal(isCancellation, true);
    assert.equal(told.has(handle.runId!), false);
    const history = (await handle.history()).map((event) => event.type);
    assert.equal(history.includes('ActivityCancelled'), cancellationType === 'WAIT_CANCELLATION_COMPLETED');
    released.resolve();
    await blocker.result();
  }
});
