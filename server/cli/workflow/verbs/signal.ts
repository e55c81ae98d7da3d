// `reprise workflow signal`.
import type { Command } from 'commander';
import { jsonText } from '../../json-view.ts';
import { withHandle } from '../run-action.ts';
import { type ActorRunOptions, actorAction, actorOf, jsonValue } from './verb-action.ts';

export function signalCommand(): Command {
  return actorAction('signal', 'Send a signal to an open run.')
    .argument('<signal>', 'name of the signal')
    .argument('[args...]', `arguments, each as JSON: 5, true, '"text"'`, addArgument)
    .action((workflowId: string, signal: string, args: readonly unknown[] | undefined, options: ActorRunOptions) =>
      withHandle(workflowId, options, async (handle) => {
        await handle.signalWithOptions<unknown[]>(signal, { args: [...(args ?? [])], ...actorOf(options) });
        if (options.json === true) console.log(jsonText({ workflowId, signal }));
        else console.log(`signal ${signal} was sent to ${workflowId}`);
      }),
    );
}

function addArgument(text: string, before: readonly unknown[] = []): unknown[] {
  return [...before, jsonValue(text)];
}
