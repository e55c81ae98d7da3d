// `reprise workflow hold`: keeps a run from retention, or ends that.
import { type Command, InvalidArgumentError } from 'commander';
import { jsonText } from '../../json-view.ts';
import { type RunOptions, withHandle, workflowAction } from '../run-action.ts';
import { userName } from './user-name.ts';

interface HoldOptions extends RunOptions {
  reason?: string;
  actor: string;
  release?: boolean;
}

export function holdCommand(): Command {
  return workflowAction('hold', 'Keep a run, and the runs that it came from, from prune.')
    .option('--reason <text>', 'why the run must be kept')
    .option('--actor <name>', 'who asks for it (default: the name of the system user)', userName())
    .option('--release', 'end the hold')
    .action((workflowId: string, options: HoldOptions) => {
      const { reason, actor, release } = options;
      if (release !== true && reason === undefined) {
        throw new InvalidArgumentError('hold needs --reason <text>, or --release to end the hold.');
      }
      return withHandle(workflowId, options, async (handle) => {
        if (reason === undefined || release === true) {
          const released = await handle.releaseHold();
          return console.log(
            options.json === true ? jsonText({ released }) : released ? 'The hold has ended.' : 'The run was not held.',
          );
        }
        await handle.hold({ reason, actor });
        console.log(options.json === true ? jsonText({ held: true, reason, actor }) : 'The run is held.');
      });
    });
}
