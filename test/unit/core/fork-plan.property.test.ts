// Forks of random logs, and forks of these forks, by every verb at every kind of point: each is a legal history with an
// intact chain, and what was pending at the point is pending, answered or attempted once more.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HistoryEvent } from '../../../runtime/core/log/event.ts';
import { ChainVerifier } from '../../../runtime/core/log/chain-verifier.ts';
import { lineUpTo, type LogOwner, wholeLine } from '../../../runtime/core/log/line.ts';
import { closesRun } from '../../../runtime/core/log/transition.ts';
import { nextAttempt } from '../../../runtime/core/activity/pending-activity.ts';
import { type ForkRequest, planFork } from '../../../runtime/core/recovery/fork-plan.ts';
import { type ForkVerb, forkKinds } from '../../../runtime/core/recovery/fork-verbs.ts';
import { sealFork } from '../../../runtime/core/recovery/seal-fork.ts';
import { readForkedMeta } from '../../../runtime/core/run/forked-meta.ts';
import { RunState } from '../../../runtime/core/run/run-state.ts';
import { sha256 } from '../../../runtime/store/codec/sha256.ts';
import { randomLog } from '../../support/random-log.ts';

interface History extends LogOwner {
  readonly events: readonly HistoryEvent[];
}

interface Choice {
  readonly which: number;
  readonly verb: ForkVerb;
  readonly reapplies: boolean;
  readonly isOpen: boolean;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  which: fc.nat(999),
  verb: fc.constantFrom(...(Object.keys(forkKinds) as ForkVerb[])),
  reapplies: fc.boolean(),
  isOpen: fc.boolean(),
});

function forkOf(origin: History, { which, verb, reapplies, isOpen }: Choice): { fork: History; at: RunState } {
  const ends = origin.events.flatMap((event) => (event.hash !== null && !closesRun(event.type) ? [event.seq] : []));
  const points = [1, ...ends];
  const point = points[which % points.length]!;
  const prefix = origin.events.slice(0, point);
  const tail = origin.events.slice(point).filter((event) => !closesRun(event.type));
  const forkId = randomUUID();
  const request: ForkRequest = {
    ...{ requestId: 'request', verb, runId: origin.runId, point, reason: null, actor: null, reapplies },
    ...(verb === 'fork' ? { workflowId: 'copy' } : {}),
  };
  const plan = planFork({
    ...{ request, forkId, seed: 'f'.repeat(32), state: RunState.of(forkId, prefix), origin, tail, isOpen },
    ...{ earlier: undefined, keepsParent: verb !== 'fork', begunTasks: [] },
  });
  const last = prefix.at(-1)!;
  const base = {
    head: { runId: forkId, line: plan.line, seq: point, at: last.at, hash: last.hash ?? new Uint8Array(0) },
    unhashed: last.hash === null ? prefix : [],
  };
  const events = sealFork(base, plan, origin.events.at(-1)!.at + 1, sha256);
  return { fork: { runId: forkId, line: plan.line, events: [...prefix, ...events] }, at: RunState.of(forkId, prefix) };
}

function assertWhole({ runId, line, events }: History): void {
  const verifier = new ChainVerifier(wholeLine({ runId, line }), sha256);
  for (const event of events) assert.equal(verifier.take(event), undefined);
  assert.equal(verifier.finish(), undefined);
  const answered = new Set<number>();
  for (const { type, answers } of events) {
    if (!/^Activity(Completed|Failed|TimedOut|Cancelled)$/.test(type)) continue;
    assert.ok(!answered.has(answers!), `activity ${answers} ended twice`);
    answered.add(answers!);
  }
}

test('a fork of a fork of any log at any point is a legal history with an intact chain', () => {
  const runId = randomUUID();
  fc.assert(
    fc.property(randomLog(runId, 10), fc.array(choice, { minLength: 1, maxLength: 3 }), (log, choices) => {
      let history: History = { runId, events: log };
      for (const chosen of choices) {
        const { fork, at } = forkOf(history, chosen);
        assertWhole(fork);
        const point = at.seq;
        const forked = readForkedMeta(fork.events[point]!);
        assert.deepEqual(forked.line, lineUpTo(wholeLine(history), point));
        const state = RunState.of(fork.runId, fork.events);
        assert.equal(state.status, 'running');
        assert.deepEqual(state.timers, at.timers);
        for (const [seq, activity] of at.activities) {
          const now = state.activities.get(seq);
          const wasCompleted = history.events.some(
            ({ type, answers }) => type === 'ActivityCompleted' && answers === seq,
          );
          assert.equal(now === undefined, wasCompleted);
          if (now !== undefined) assert.ok(nextAttempt(now) >= nextAttempt(activity));
        }
        history = fork;
      }
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 2_000) },
  );
});
