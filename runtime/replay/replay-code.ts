// Finds the workflow code of a replay: the bundle that recorded the run, or the code that the caller gives.
import { RuntimeError } from '../core/failure/runtime-error.ts';
import type { HistoryPages } from '../core/log/history-source.ts';
import { bundleWorkflowCode, loadBundle, sourceFolderOf, type WorkflowBundle } from '../sandbox/bundle/bundle.ts';
import { readBundle } from '../store/runs/recorded-bundle.ts';
import type { Database } from '../store/sql/database.ts';
import type { CodeOptions } from './replay-options.ts';

/** Undefined when the code that recorded the run is to be used. @throws BUNDLE_FAILED */
export async function givenBundle({
  code = 'recorded',
  bundlerOptions,
}: CodeOptions): Promise<WorkflowBundle | undefined> {
  if (code === 'recorded') return undefined;
  if (typeof code !== 'string' && !(code instanceof URL)) return loadBundle(code);
  return bundleWorkflowCode({ workflowsPath: code, ...bundlerOptions });
}

/** The folder of the sources of the code. Recorded code has left its folder, so its files are looked for in this one. */
export function sourceFolderOfCode({ code }: CodeOptions): string {
  const isFile = code instanceof URL || (typeof code === 'string' && code !== 'recorded');
  return isFile ? sourceFolderOf(code) : process.cwd();
}

/** @throws CODE_NOT_RECORDED, BUNDLE_FAILED */
export async function recordedBundle(database: Database, source: HistoryPages): Promise<WorkflowBundle> {
  const { bundleHash: hash, runId, workflowId } = source;
  const text = hash === undefined ? undefined : await readBundle(database, hash);
  if (text !== undefined) return loadBundle({ code: text });
  const why =
    hash === undefined
      ? 'no worker of this version has released or closed it'
      : `its workers do not store bundles (bundle ${hash})`;
  throw new RuntimeError(
    'CODE_NOT_RECORDED',
    `The workflow code that recorded workflow ${workflowId} (run ${runId}) is not in the database: ${why}. Pass the code: ` +
      "`code: './src/workflows.ts'` (CLI: --code ./src/workflows.ts). Or let the workers store it: leave out " +
      'storeWorkflowBundle: false, and the runs that they work on from then on can be replayed with recorded code.',
    { runId },
  );
}
