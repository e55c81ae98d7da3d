// A process that reads a run's log: node … <read|replay> <run id>. With `replay`, it also replays the run's code.
// Reprise has no public call that does this, so the process does what a worker does when it takes over a run.
import { Connection } from 'reprise/client';
import { bundleWorkflowCode } from '../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../runtime/sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../runtime/sandbox/realm/unhandled-rejections.ts';
import { readHistory } from '../runtime/store/log/history.ts';
import { RunReplay } from '../runtime/replay/run-replay.ts';

export interface Replayed {
  readonly events: number;
  /** Time from the first request to the last event, without connecting and bundling. */
  readonly ms: number;
  /** Peak of the resident set, bytes. */
  readonly peak: number;
}

const [mode, runId = ''] = process.argv.slice(2);
const connection = await Connection.connect();
const sandbox = Sandbox.create(
  await bundleWorkflowCode({ workflowsPath: new URL('../examples/warehouse/workflows.ts', import.meta.url) }),
);
const run = sandbox.createRun(runId);
const replay = new RunReplay(run);
let events = 0;
const begun = performance.now();
for await (const page of readHistory(connection.database, runId, { forReplay: true })) {
  events += page.length;
  if (mode === 'replay') replay.take(page);
}
if (mode === 'replay') {
  const rest = replay.finish();
  await rejectionsKnown();
  const failure = replay.failure ?? run.rejection;
  if (failure !== undefined) throw new Error(`The code does not follow the log: ${failure.message}`);
  if (rest.length > 0) throw new Error('The log ends in the middle of a turn.');
}
const ms = performance.now() - begun;
process.send?.({ events, ms, peak: process.resourceUsage().maxRSS * 1024 } satisfies Replayed);
sandbox.dispose();
await connection.close();
process.disconnect?.();
