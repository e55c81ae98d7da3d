// Invariant 9 over generated runs: forks at any legal point, and their forks again, leave their origins as they are. Every
// fork is a whole history: its chain verifies along its line, and code and recorded patches give the same document.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import { forkKinds } from '../../runtime/core/recovery/fork-verbs.ts';
import { RunState } from '../../runtime/core/run/run-state.ts';
import { mockTools, mockToolsReport } from '../../runtime/replay/mock/mock-tools.ts';
import { recordedState } from '../../runtime/replay/context/patch-only.ts';
import { verifySource } from '../../runtime/replay/verify-source.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { cases, plan, type TurnPlan, turnPlan } from '../support/memory/drawn-program.ts';
import { type ForkChoice, forked } from '../support/memory/memory-fork.ts';
import type { MemoryRun } from '../support/memory/memory-run.ts';
import { continued, played } from '../support/memory/schedule.ts';

const workflowBundle = loadBundle(await fixtureBundle('generated-workflow.ts'));
const sandbox = Sandbox.create(workflowBundle);
const otherRealm = Sandbox.create(workflowBundle);

const verbs = ['fork', 'reset', 'recover', 'rollback', 'restart', 'retry', 'skip'] as const;
const fork: fc.Arbitrary<{ readonly choice: ForkChoice; readonly turns: readonly TurnPlan[] }> = fc.record({
  choice: fc.record({ verb: fc.constantFrom(...verbs), pick: fc.nat(), reapplies: fc.boolean() }),
  turns: fc.array(turnPlan, { maxLength: 5 }),
});

async function assertWhole(run: MemoryRun): Promise<void> {
  const { live, events } = run;
  const source = run.history();
  const { ok, fault, headHash } = await verifySource(source);
  assert.deepEqual([ok, fault], [true, undefined]);
  assert.equal(headHash, Buffer.from(live.state.hash).toString('hex') || null);
  assert.deepEqual(RunState.of(live.runId, events).snapshot(), live.state.snapshot());
  const own = events.findLast(({ type }) => type === 'WorkflowForked')?.seq ?? 1;
  for (let to = own; to <= source.head; to++) {
    const expected = await recordedState(source, to);
    const replayed = mockToolsReport(await mockTools(source, otherRealm, { to }), expected, 0);
    assert.deepEqual(replayed.divergences, [], `up to ${to}`);
    assert.deepEqual(replayed.state, expected.state);
    const seen = run.seen.get(to);
    if (seen !== undefined) assert.deepEqual(seen.document, expected.state);
  }
}

/** Every column of every event. */
function textsOf(events: readonly HistoryEvent[]): string[] {
  return events.map((event) => JSON.stringify(event));
}

interface Before {
  readonly texts: readonly string[];
  readonly isOpen: boolean;
  /** Results wait for the code. The turn that closes the run logs them. */
  readonly hasWaiting: boolean;
}

/** A fork adds at most the event that closes an open origin. */
function assertUntouched(origin: MemoryRun, { texts, isOpen, hasWaiting }: Before, { verb }: ForkChoice): void {
  assert.deepEqual(textsOf(origin.events.slice(0, texts.length)), texts);
  const added = origin.events.slice(texts.length).filter((event) => !hasWaiting || isClosing(event));
  assert.equal(added.length, isOpen && forkKinds[verb].closesWith !== undefined ? 1 : 0);
  assert.ok(added.every(isClosing));
}

function isClosing({ type }: HistoryEvent): boolean {
  return type === 'WorkflowRolledBack' || type === 'WorkflowRecovered';
}

it('forks of forks at any points are whole histories, and their origins stay as they are', async () => {
  await fc.assert(
    fc.asyncProperty(plan, fc.array(fork, { minLength: 1, maxLength: 3 }), async (drawn, forks) => {
      const chain = await played(sandbox, drawn);
      const line: MemoryRun[] = [chain.at(-1)!];
      for (const [number, { choice, turns }] of forks.entries()) {
        // A fork of the run, of its fork, or of the fork's fork.
        const origin = line[choice.pick % line.length]!;
        const before: Before = {
          texts: textsOf(origin.events),
          isOpen: !origin.isClosed,
          hasWaiting: origin.live.unseenInputs.length > 0,
        };
        const made = await forked(number % 2 === 0 ? otherRealm : sandbox, origin, choice, number);
        assertUntouched(origin, before, choice);
        const others = line.map(({ events }) => textsOf(events));
        await continued(made, turns);
        assert.deepEqual(
          line.map(({ events }) => textsOf(events)),
          others,
        );
        line.push(made);
      }
      for (const run of line) {
        await assertWhole(run);
        run.dispose();
      }
    }),
    cases(300),
  );
});
