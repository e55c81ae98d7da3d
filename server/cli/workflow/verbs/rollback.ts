// `reprise workflow rollback`.
import type { Command } from 'commander';
import { jsonText } from '../../json-view.ts';
import { forkAction, type ForkRunOptions, placeOf, previewText, runFork, seqOption } from './fork-action.ts';
import { withHandle } from '../run-action.ts';

interface Options extends ForkRunOptions {
  checkpoint?: string;
  toSeq?: number;
  dryRun?: boolean;
}

export function rollbackCommand(): Command {
  return forkAction('rollback', 'Go back to a point on purpose, in place of the run.')
    .option('--checkpoint <name>', 'the checkpoint')
    .option('--to-seq <seq>', 'the end of the last turn up to this event', seqOption)
    .option('--dry-run', 'only list what happened behind the point')
    .action((workflowId: string, options: Options) => {
      const place = placeOf(options);
      if (options.dryRun === true) {
        return withHandle(workflowId, options, async (handle) => {
          const preview = await handle.rollback({ ...place, dryRun: true });
          console.log(options.json === true ? jsonText(preview) : previewText(preview));
        });
      }
      return runFork(workflowId, options, { verb: 'rollback', place }, (handle, given) =>
        handle.rollback({ ...given, ...place }),
      );
    });
}
