// `reprise workflow restart`.
import type { Command } from 'commander';
import { forkAction, type ForkRunOptions, runFork } from './fork-action.ts';

export function restartCommand(): Command {
  return forkAction('restart', 'Begin again with the same arguments, in place of the run.').action(
    (workflowId: string, options: ForkRunOptions) =>
      runFork(workflowId, options, { verb: 'restart', place: {} }, (handle, given) => handle.restart(given)),
  );
}
