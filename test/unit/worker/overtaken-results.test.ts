// A result with staged patches waits for the code of a paused run. Meanwhile a person skips the activity.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { verbEvents } from '../../../runtime/core/recovery/verb.ts';
import type { Input } from '../../../runtime/core/run/input.ts';
import { loadBundle } from '../../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../../runtime/sandbox/realm/sandbox.ts';
import { fixtureBundle } from '../../support/bundles.ts';
import { MemoryRun } from '../../support/memory/memory-run.ts';

const sandbox = Sandbox.create(loadBundle(await fixtureBundle('generated-workflow.ts')));
const asked = { sourceId: 'ada', reason: 'because', correlationId: 'x', meta: null, name: null, payload: null };
const pause = verbEvents({ ...asked, type: 'WorkflowPaused', answers: null });
const resume = verbEvents({ ...asked, type: 'WorkflowResumed', answers: null });

/** A paused run whose activity has a result that waits, as does a patch that builds on what the result staged. */
async function waiting(): Promise<{ run: MemoryRun; skipping: Input[] }> {
  const run = MemoryRun.start(sandbox, { parts: [[{ do: 'call' }, { do: 'call' }]], fresh: false });
  await run.turn([]);
  await run.turn(pause);
  const [answers] = run.state.activities.keys();
  const ops = JSON.stringify([{ op: 'set', path: '/counts/a', value: 1 }]);
  const staged = [{ ops, source: 'tool' as const, sourceId: 'act', reason: null }];
  await run.turn([
    { ...newEvent(0, 'ActivityCompleted', { answers: answers!, payload: encodePayload('late') }), staged },
    newEvent(0, 'ContextPatched', {
      ...{ ops: '[{"op":"remove","path":"/counts/a"}]', source: 'user', sourceId: 'ada' },
      ...{ reason: 'fix', correlationId: 'patch' },
    }),
  ]);
  const payload = encodePayload('skipped');
  return { run, skipping: verbEvents({ ...asked, type: 'RecoveryApplied', name: 'skip', answers: answers!, payload }) };
}

for (const when of ['before the run is resumed', 'in the turn that resumes the run'] as const) {
  test(`a skip ${when} drops the waiting result, and a patch that builds on it is refused`, async () => {
    const { run, skipping } = await waiting();
    if (when === 'before the run is resumed') await run.turn(skipping);
    const built = await run.turn(when === 'before the run is resumed' ? resume : [...resume, ...skipping]);
    assert.deepEqual(
      built?.refused.map(({ name }) => name),
      ['patchContext'],
    );
    const completions = run.events.filter(({ type }) => type === 'ActivityCompleted');
    assert.deepEqual(
      completions.map(({ source }) => source),
      ['user'],
    );
    assert.deepEqual(run.seen.get(run.state.seq)?.document, { log: ['called skipped'], counts: {}, list: [] });
    run.dispose();
  });
}
