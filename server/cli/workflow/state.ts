// `reprise workflow state`: the context document, now or at a point of the run's history.
import type { Command } from 'commander';
import type { StatePoint } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { type RunOptions, withHandle, workflowAction } from './run-action.ts';

export function stateCommand(): Command {
  return workflowAction('state', "Show the context document, now or at a point of the run's history.")
    .option('--at <point>', 'a seq or a time such as 2026-01-31T12:00:00Z (inclusive)')
    .action((workflowId: string, options: RunOptions & { at?: string }) =>
      withHandle(workflowId, options, async (handle) => {
        const point = pointOf(options.at);
        const result = await handle.stateAt(point);
        if ('seq' in point) {
          const { historyLength } = await handle.describe();
          if (point.seq > historyLength) console.error(`the run ends at seq ${historyLength}`);
        }
        if (options.json === true) return console.log(jsonText(result));
        if (result.state === undefined) console.log('The run has no context document there.');
        else console.log(`${jsonText(result.state, 2)}\n(seq ${result.seq}, ${result.patches} patches)`);
      }),
    );
}

function pointOf(at: string | undefined): StatePoint {
  if (at === undefined) return {};
  return /^\d+$/.test(at) ? { seq: Number(at) } : { time: at };
}
