// `reprise workflow resume`.
import type { Command } from 'commander';
import { withHandle } from '../run-action.ts';
import { printOutcome, verbAction, verbOf, type VerbRunOptions } from './verb-action.ts';

export function resumeCommand(): Command {
  return verbAction('resume', 'Let a paused run go on.').action((workflowId: string, options: VerbRunOptions) =>
    withHandle(workflowId, options, async (handle) =>
      printOutcome(workflowId, await handle.resume(verbOf(options)), { done: 'resumed', json: options.json }),
    ),
  );
}
