// `reprise workflow cancel`.
import type { Command } from 'commander';
import { jsonText } from '../../json-view.ts';
import { withHandle } from '../run-action.ts';
import { type ActorRunOptions, actorAction, actorOf } from './verb-action.ts';

export function cancelCommand(): Command {
  return actorAction('cancel', 'Request the cancellation of an open run; its code decides what to do.').action(
    (workflowId: string, options: ActorRunOptions) =>
      withHandle(workflowId, options, async (handle) => {
        await handle.cancel(actorOf(options));
        if (options.json === true) console.log(jsonText({ workflowId, cancelRequested: true }));
        else console.log(`cancellation of ${workflowId} was requested`);
      }),
  );
}
