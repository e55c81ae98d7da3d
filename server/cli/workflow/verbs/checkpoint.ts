// `reprise workflow checkpoint`: names and pins the present state of the context.
import type { Command } from 'commander';
import { jsonText } from '../../json-view.ts';
import { checkpointsText } from '../checkpoints.ts';
import { type RunOptions, withHandle, workflowAction } from '../run-action.ts';

export function checkpointCommand(): Command {
  return workflowAction('checkpoint', 'Name and pin the present state of the context document. Needs no worker.')
    .requiredOption('--name <name>', 'a name that the run does not have yet')
    .action((workflowId: string, options: RunOptions & { name: string }) =>
      withHandle(workflowId, options, async (handle) => {
        const row = await handle.checkpoint(options.name);
        console.log(options.json === true ? jsonText(row) : checkpointsText([row]));
      }),
    );
}
