// `reprise workflow fork`.
import type { Command } from 'commander';
import { forkAction, type ForkRunOptions, placeOf, runFork, seqOption } from './fork-action.ts';

interface Options extends ForkRunOptions {
  as: string;
  to?: string;
  checkpoint?: string;
  toSeq?: number;
}

export function forkCommand(): Command {
  return forkAction('fork', "Start a copy of the run's history under another workflow id; the run stays as it is.")
    .requiredOption('--as <workflow id>', 'workflow id of the copy')
    .option('--to <step>', 'before this step: a seq, an activity id, or type#n')
    .option('--checkpoint <name>', 'at the checkpoint')
    .option('--to-seq <seq>', 'at the end of the last turn up to this event', seqOption)
    .action((workflowId: string, options: Options) => {
      const place = placeOf(options);
      return runFork(workflowId, options, { verb: 'fork', place }, (handle, given) =>
        handle.fork({ ...given, ...place, workflowId: options.as }),
      );
    });
}
