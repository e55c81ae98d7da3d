// A process that reads a run's log: node … <read|replay> <workflow id>. With `replay`, it also replays the run's code, by
// the public call. Its sessions refuse every write.
import { fileURLToPath } from 'node:url';
import { Client, Connection } from 'reprise/client';
import { readHistory } from '../runtime/store/log/history.ts';

export interface Replayed {
  readonly events: number;
  /**
   * Time from the call to its result: for `replay` with bundling the code, starting the thread, and folding the recorded
   * patches to compare. Without connecting.
   */
  readonly ms: number;
  /** Peak of the resident set, bytes. */
  readonly peak: number;
}

const code = fileURLToPath(new URL('../examples/warehouse/workflows.ts', import.meta.url));
const [mode, workflowId = ''] = process.argv.slice(2);
const connection = await Connection.connect();
const handle = new Client({ connection }).workflow.getHandle(workflowId);
const { runId } = await handle.describe();
let events = 0;
const begun = performance.now();
if (mode === 'replay') {
  const report = await handle.replay({ mode: 'MOCK_TOOLS', code });
  if (!report.success) throw new Error(`The code does not follow the log: ${report.divergences[0]?.message}`);
  if (report.end !== 'closed') throw new Error(`The replay ended at ${report.end}.`);
  events = report.events;
} else {
  for await (const page of readHistory(connection.database, runId, { forReplay: true })) events += page.length;
}
const ms = performance.now() - begun;
process.send?.({ events, ms, peak: process.resourceUsage().maxRSS * 1024 } satisfies Replayed);
await connection.close();
process.disconnect?.();
