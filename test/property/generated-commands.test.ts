// Invariant 7 over generated runs: a history issues the same commands in a realm that has not seen the run, however it is
// cut into pages, and from any turn on a new owner continues it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import { RunState } from '../../runtime/core/run/run-state.ts';
import { mockTools } from '../../runtime/replay/mock/mock-tools.ts';
import { RunReplay } from '../../runtime/replay/run-replay.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { type ActiveRun, Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { cases, plan, turnPlan } from '../support/memory/drawn-program.ts';
import { MemoryRun, withoutArguments } from '../support/memory/memory-run.ts';
import { continued, played } from '../support/memory/schedule.ts';

const workflowBundle = loadBundle(await fixtureBundle('generated-workflow.ts'));
const sandbox = Sandbox.create(workflowBundle);
const otherRealm = Sandbox.create(workflowBundle);

/** Events in pages of the given sizes, again and again. */
function* pagesOf(events: readonly HistoryEvent[], sizes: readonly number[]): Generator<HistoryEvent[]> {
  for (let at = 0, i = 0; at < events.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield events.slice(at, at + size);
    at += size;
  }
}

/** Events without what differs between two owners: the id of a successor, and stacks with the name of the realm. */
function comparable(events: readonly HistoryEvent[]): unknown[] {
  return events.map(({ hash: _hash, payload, correlationId, ...event }) => ({
    ...event,
    payload: /^(Workflow|Update)Failed$/.test(event.type) ? null : payload,
    correlationId: event.type === 'WorkflowContinuedAsNew' ? null : correlationId,
  }));
}

/** Replays the history in the other realm and returns what the code holds then. */
function replayed({ live, events }: MemoryRun, sizes: readonly number[]): unknown {
  const run = otherRealm.createRun(live.state.runIdAt(1));
  const replay = new RunReplay(run);
  for (const page of pagesOf(withoutArguments(events), sizes)) replay.take(page);
  const unhashed = replay.finish();
  assert.equal(replay.failure, undefined);
  const held = heldBy(run, replay.carried, unhashed);
  run.dispose();
  return held;
}

function heldBy(run: ActiveRun, waiting: readonly HistoryEvent[], unhashed: readonly HistoryEvent[]): unknown {
  const { versioningBehavior, checkpointStrategy } = run;
  return {
    ...{ ops: run.contextOps(), text: run.contextText(), calls: run.pendingCalls(), versioningBehavior },
    ...{ checkpointStrategy, waiting: waiting.map(({ seq }) => seq), unhashed: unhashed.map(({ seq }) => seq) },
  };
}

it('a history issues the same commands in another realm and in pages of any sizes', async () => {
  await fc.assert(
    fc.asyncProperty(plan, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (drawn, sizes) => {
      for (const run of await played(sandbox, drawn)) {
        const { live } = run;
        const held = replayed(run, sizes);
        // The code of a run that lost its worker, or whose task failed, is gone.
        if (live.sandbox !== undefined) {
          assert.deepEqual(held, heldBy(live.sandbox, live.inputsToReplay, live.unhashedEvents));
        }
        assert.deepEqual(RunState.of(live.runId, run.events).snapshot(), live.state.snapshot());
        const { success, end, divergences } = await mockTools(run.history(), otherRealm, { onDivergence: 'report' });
        assert.deepEqual([success, divergences], [true, []]);
        // Behind the log, the code sees the inputs that no turn has activated it with, and may end the run.
        if (run.isClosed || live.inputsToReplay.length === 0) assert.equal(end, run.isClosed ? 'closed' : 'end-of-log');
        run.dispose();
      }
    }),
    cases(400),
  );
});

it('from the end of any turn, a new owner continues the run as the first one would have', async () => {
  await fc.assert(
    fc.asyncProperty(
      plan,
      fc.nat(),
      fc.array(turnPlan, { minLength: 1, maxLength: 4 }),
      async (drawn, choice, turns) => {
        const [run] = await played(sandbox, drawn);
        const ends = run!.events.flatMap(({ seq, hash }) => (hash === null ? [] : [seq]));
        const upTo = ends.length < 2 ? 1 : ends[choice % (ends.length - 1)]!;
        const histories: unknown[][] = [];
        for (const owner of [sandbox, otherRealm]) {
          const taken = new MemoryRun(owner, run!.live.runId, run!.events.slice(0, upTo));
          await continued(taken, turns);
          histories.push(comparable(taken.events));
          taken.dispose();
        }
        assert.deepEqual(histories[1], histories[0]);
        run!.dispose();
      },
    ),
    cases(200),
  );
});
