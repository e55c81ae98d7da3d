// `reprise workflow terminate`.
import type { Command } from 'commander';
import { jsonText } from '../../json-view.ts';
import { withHandle } from '../run-action.ts';
import { type ActorRunOptions, actorAction, actorOf } from './verb-action.ts';

export function terminateCommand(): Command {
  return actorAction('terminate', 'Close an open run at once, without letting its code clean up.').action(
    (workflowId: string, options: ActorRunOptions) =>
      withHandle(workflowId, options, async (handle) => {
        await handle.terminate(actorOf(options));
        if (options.json === true) console.log(jsonText({ workflowId, terminated: true }));
        else console.log(`${workflowId} is terminated`);
      }),
  );
}
