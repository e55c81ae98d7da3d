// `reprise workflow recover`.
import type { Command } from 'commander';
import { forkAction, type ForkRunOptions, placeOf, runFork, seqOption } from './fork-action.ts';

export function recoverCommand(): Command {
  return forkAction('recover', 'Go on from a checkpoint, by default the newest, in place of the run.')
    .option('--checkpoint <name>', 'the checkpoint')
    .option('--to-seq <seq>', 'the end of the last turn up to this event', seqOption)
    .action((workflowId: string, options: ForkRunOptions & { checkpoint?: string; toSeq?: number }) => {
      const place = placeOf(options);
      return runFork(workflowId, options, { verb: 'recover', place }, (handle, given) =>
        handle.recover({ ...given, ...place }),
      );
    });
}
