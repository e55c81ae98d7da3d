// `reprise workflow pause`.
import type { Command } from 'commander';
import { withHandle } from '../run-action.ts';
import { printOutcome, verbAction, verbOf, type VerbRunOptions } from './verb-action.ts';

export function pauseCommand(): Command {
  return verbAction('pause', 'Pause an open run: nothing of it begins until it is resumed.').action(
    (workflowId: string, options: VerbRunOptions) =>
      withHandle(workflowId, options, async (handle) =>
        printOutcome(workflowId, await handle.pause(verbOf(options)), { done: 'paused', json: options.json }),
      ),
  );
}
