// `reprise workflow rollback`.
import type { Command } from 'commander';
import { forkAction, type ForkRunOptions, placeOf, runFork, seqOption } from './fork-action.ts';

interface Options extends ForkRunOptions {
  checkpoint?: string;
  toSeq?: number;
}

export function rollbackCommand(): Command {
  return forkAction('rollback', 'Go back to a point on purpose, in place of the run.')
    .option('--checkpoint <name>', 'the checkpoint')
    .option('--to-seq <seq>', 'the end of the last turn up to this event', seqOption)
    .action((workflowId: string, options: Options) => {
      const place = placeOf(options);
      return runFork(workflowId, options, { verb: 'rollback', place }, (handle, given) =>
        handle.rollback({ ...given, ...place }),
      );
    });
}
