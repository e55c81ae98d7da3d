// Forks random programs, and their forks again, at random points on the real engine. Every fork must be a whole history:
// replayable, verifiable, with the same context by code, by patches and by SQL at every turn.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import { decodePayload, encodePayload } from '../../runtime/core/payload/payload.ts';
import { RunState } from '../../runtime/core/run/run-state.ts';
import { readOpenEvents, type StoredEvent } from '../../runtime/store/log/history.ts';
import { RunReplay } from '../../runtime/replay/run-replay.ts';
import { stateAt } from '../../runtime/replay/context/state-at.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { forkPoints, Forks } from '../support/forks.ts';
import { programStep } from '../support/program-steps.ts';

const workflowBundle = loadBundle(await fixtureBundle('program-workflow.ts'));
const engine = await testEngine({ workflowBundle });
const sandbox = Sandbox.create(workflowBundle);
const forks = new Forks(engine);
const { database } = engine.connection;

async function assertWhole(runId: string, events: readonly StoredEvent[]): Promise<void> {
  const run = sandbox.createRun(events[0]!.runId);
  const replay = new RunReplay(run);
  let turn: StoredEvent[] = [];
  for (const event of events) {
    turn.push(event);
    if (event.hash === null) continue;
    replay.take(turn);
    turn = [];
    assert.equal(replay.failure, undefined);
    const folded = await stateAt(database, runId, { seq: event.seq });
    const { rows } = await engine.pool.query<{ state: unknown }>(
      'select reprise_audit.state_at($1, $2::int) as state',
      [runId, event.seq],
    );
    assert.deepEqual(rows[0]!.state ?? undefined, folded.state);
    // A turn that was not activated has inputs that the code has not seen.
    if (event.type === 'WorkflowForked' || replay.carried.length > 0) continue;
    const live = run.query('context', encodePayload([]));
    assert.ok(live.ok);
    assert.deepEqual(folded.state ?? { log: [], counts: {} }, decodePayload(live.payload));
  }
  run.dispose();
  await forks.assertVerified(runId);
  const whole = RunState.of(runId, events);
  for (const seq of whole.activities.keys()) whole.giveArguments(seq, null);
  assert.deepEqual(RunState.of(runId, await readOpenEvents(database, runId)).snapshot(), whole.snapshot());
}

it('a fork of a fork at any points is a whole history, and its origins stay as they are', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(programStep, { maxLength: 6 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      async (steps, choices) => {
        const handle = await engine.start('program', [steps]);
        await handle.result();
        let runId = handle.runId!;
        const origins = new Map<string, StoredEvent[]>();
        for (const choice of choices) {
          const events = await forks.historyOf(runId);
          origins.set(runId, events);
          const points = forkPoints(events);
          const point = points[choice % points.length]!;
          const fork = await forks.fork(runId, point, { verb: 'fork', workflowId: randomUUID() });
          await fork.result();
          runId = fork.runId!;
          const forked = await forks.historyOf(runId);
          assert.deepEqual(forked.slice(0, point), events.slice(0, point));
          await assertWhole(runId, forked);
        }
        for (const [origin, events] of origins) assert.deepEqual(await forks.historyOf(origin), events);
      },
    ),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 30) },
  );
});
