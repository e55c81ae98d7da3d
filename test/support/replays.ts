// Replays a recorded history with workflow code. This is the third of the three ways in test/conformance/ways.ts.
import assert from 'node:assert/strict';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { rejectionsKnown } from '../../runtime/sandbox/realm/unhandled-rejections.ts';
import type { Database } from '../../runtime/store/sql/database.ts';
import { readHistory, type StoredEvent } from '../../runtime/store/log/history.ts';
import { RunReplay } from '../../runtime/replay/run-replay.ts';
import { fixtureBundle } from './bundles.ts';

const sandboxes = new Map<string, Promise<Sandbox>>();

async function fixtureSandbox(file: string): Promise<Sandbox> {
  return Sandbox.create(loadBundle(await fixtureBundle(file)));
}

/** Replays a run's log with the code of a file in `fixtures` or with other code. Fails on any difference. */
export async function assertReplays(
  database: Database,
  runId: string,
  code: Sandbox | string = 'workflows.ts',
): Promise<void> {
  if (typeof code === 'string' && !sandboxes.has(code)) sandboxes.set(code, fixtureSandbox(code));
  const sandbox = typeof code === 'string' ? await sandboxes.get(code)! : code;
  const pages: StoredEvent[][] = [];
  for await (const page of readHistory(database, runId, { forReplay: true })) pages.push(page);
  const run = sandbox.createRun(pages[0]?.[0]?.runId ?? runId);
  const replay = new RunReplay(run);
  for (const page of pages) replay.take(page);
  replay.finish();
  await rejectionsKnown();
  assert.equal(replay.failure ?? run.rejection, undefined);
  run.dispose();
}
