// Runs random programs on the real engine. Then a new sandbox run replays each log and is compared with the log at
// every turn.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decodePayload, encodePayload } from '../../runtime/core/payload/payload.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { RunState } from '../../runtime/core/run/run-state.ts';
import { readHistory, readOpenEvents, type StoredEvent } from '../../runtime/store/log/history.ts';
import { mockTools, mockToolsReport } from '../../runtime/replay/mock/mock-tools.ts';
import { recordedState } from '../../runtime/replay/context/patch-only.ts';
import { RunReplay } from '../../runtime/replay/run-replay.ts';
import { StoredHistory } from '../../runtime/store/log/stored-history.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { programStep } from '../support/program-steps.ts';

const workflowBundle = loadBundle(await fixtureBundle('program-workflow.ts'));
const engine = await testEngine({ workflowBundle });
const sandbox = Sandbox.create(workflowBundle);

async function readAll(runId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const page of readHistory(engine.connection.database, runId)) events.push(...page);
  return events;
}

const recorded: string[] = [];

it('replaying any recorded history issues the same commands, and the folded patches give the context at every turn', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(programStep, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 3 }),
      async (steps, people) => {
        const handle = await engine.start('program', [steps]);
        // Some patches come before the first use of the context or after the end. They are refused.
        const patches = people.map((value) =>
          handle.patchContext({ op: 'set', path: '/counts/people', value }, { reason: 'a person' }),
        );
        await Promise.allSettled(patches);
        const result = await handle.result();
        const events = await readAll(handle.runId!);
        recorded.push(handle.runId!);
        const run = sandbox.createRun(handle.runId!);
        const replay = new RunReplay(run);
        let turn: StoredEvent[] = [];
        for (const event of events) {
          turn.push(event);
          if (event.hash === null) continue;
          replay.take(turn);
          turn = [];
          assert.equal(replay.failure, undefined);
          const live = run.query('context', encodePayload([]));
          assert.ok(live.ok);
          const folded = await handle.stateAt({ seq: event.seq });
          const initial = { log: [], counts: {} };
          assert.deepEqual(folded.state ?? initial, decodePayload(live.payload));
        }
        const last = (await handle.stateAt()).state as { log: string[] } | undefined;
        assert.deepEqual(last?.log ?? [], result);
        run.dispose();
      },
    ),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 60) },
  );
});

it('the part of a history that recovery reads folds to the same state as the whole history', async () => {
  assert.ok(recorded.length > 0);
  for (const runId of recorded) {
    const whole = RunState.of(runId, await readAll(runId));
    for (const seq of whole.activities.keys()) whole.giveArguments(seq, null);
    const open = RunState.of(runId, await readOpenEvents(engine.connection.database, runId));
    assert.deepEqual(open.snapshot(), whole.snapshot());
    assert.equal(whole.status, 'completed');
  }
});

it('code on recorded results gives the document of the recorded patches at every seq', async () => {
  assert.ok(recorded.length > 0);
  for (const runId of recorded) {
    const source = await StoredHistory.open(engine.connection.database, runId);
    for (let to = 1; to <= source.head; to++) {
      const expected = await recordedState(source, to);
      const replayed = mockToolsReport(await mockTools(source, sandbox, { to }), expected, 0);
      assert.deepEqual(replayed.divergences, [], `run ${runId} up to ${to}`);
      assert.deepEqual([replayed.success, replayed.stateHash], [true, expected.hash]);
      assert.deepEqual(replayed.state, expected.state);
    }
  }
});

it('a replay that reports goes through an unchanged run without a finding', async () => {
  for (const runId of recorded) {
    const source = await StoredHistory.open(engine.connection.database, runId);
    const { success, end, activities } = await mockTools(source, sandbox, { onDivergence: 'report' });
    assert.deepEqual([success, end], [true, 'closed']);
    assert.equal(
      activities,
      (await readAll(runId)).filter(({ type }) => /^Activity(Completed|Failed|TimedOut|Cancelled)$/.test(type)).length,
    );
  }
});
