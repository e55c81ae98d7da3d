// Which phase of a run in memory may follow which: the whole table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { LiveRun } from '../../../runtime/worker/turns/live-run.ts';
import { mayFollow, runPhases } from '../../../runtime/worker/turns/run-phase.ts';

test('the table of phases is total', () => {
  const table = Object.fromEntries(
    runPhases.map((from) => [
      from,
      runPhases
        .filter((to) => mayFollow(from, to))
        .toSorted()
        .join(' '),
    ]),
  );
  assert.deepEqual(table, {
    loading: 'appending gone idle quarantined releasing',
    reloading: 'appending gone quarantined',
    idle: 'appending gone quarantined queued releasing reloading',
    queued: 'appending gone quarantined reloading',
    appending: 'gone idle quarantined',
    releasing: 'gone idle quarantined',
    quarantined: 'gone releasing',
    gone: '',
  });
});

test('a run refuses a phase that may not follow, and stays in its own', () => {
  const run = new LiveRun('01a00000-0000-7000-8000-000000000001', 0, null);
  run.moveTo('idle');
  run.moveTo('queued');
  assert.throws(
    () => run.moveTo('releasing'),
    (error: unknown) => error instanceof RuntimeError && error.code === 'ASSERTION_FAILED',
  );
  assert.equal(run.phase, 'queued');
});

test('a run that is gone stays gone', () => {
  for (const to of runPhases) assert.equal(mayFollow('gone', to), false, to);
});
