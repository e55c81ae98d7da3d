// `reprise workflow state`: the context document, now or at a point of the run's history.
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { StateResult } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { countOf } from '../table.ts';
import { pointHelp, readPoint, withZone, type ZoneOption } from '../point-option.ts';
import { chainOf, type RunOptions, withHandle, workflowAction } from './run-action.ts';

interface StateOptions extends RunOptions, ZoneOption {
  at?: string;
  output?: string;
}

export function stateCommand(): Command {
  return withZone(workflowAction('state', "Show the context document, now or at a point of the run's history."))
    .option('--at <point>', `${pointHelp} (inclusive)`)
    .option('--output <file>', 'write the document to this file')
    .action((workflowId: string, options: StateOptions) =>
      withHandle(workflowId, options, async (handle) => {
        const point = { ...readPoint(options.at, options), ...chainOf(options) };
        const result = await handle.stateAt(point);
        if (point.seq !== undefined) {
          const { historyLength } = await handle.describe();
          if (point.seq > historyLength) console.error(`the run ends at seq ${historyLength}`);
        }
        if (point.time !== undefined && result.state === undefined) {
          const { startTime } = await handle.describe();
          if (new Date(point.time) < startTime) console.error(`the run started at ${startTime.toISOString()}`);
        }
        sayRejected(result);
        if (options.output !== undefined && result.state !== undefined) {
          await writeFile(options.output, `${jsonText(result.state, 2)}\n`);
        }
        if (options.json === true) return console.log(jsonText(result));
        console.log(stateText(result, options.output));
      }),
    );
}

function stateText({ state, seq, patches }: StateResult, output: string | undefined): string {
  if (state === undefined) return 'The run has no context document there.';
  const place = `(seq ${seq}, ${countOf(patches, 'patch', 'patches')})`;
  return output === undefined ? `${jsonText(state, 2)}\n${place}` : `written to ${output} ${place}`;
}

export function sayRejected({ rejected = [] }: Pick<StateResult, 'rejected'>): void {
  for (const { seq, problem } of rejected) {
    console.error(`the checkpoint at seq ${seq} was passed over: ${problem}. The log gave the state instead.`);
  }
}
