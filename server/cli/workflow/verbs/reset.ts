// `reprise workflow reset`.
import type { Command } from 'commander';
import { forkAction, type ForkRunOptions, runFork } from './fork-action.ts';

export function resetCommand(): Command {
  return forkAction('reset', 'Go on from before a step, in place of the run.')
    .requiredOption('--to <step>', 'a seq, an activity id, or type#n for the n-th call of an activity type')
    .action((workflowId: string, options: ForkRunOptions & { to: string }) =>
      runFork(workflowId, options, { verb: 'reset', place: { to: options.to } }, (handle, given) =>
        handle.reset({ ...given, to: options.to }),
      ),
    );
}
