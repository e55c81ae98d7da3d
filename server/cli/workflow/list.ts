// `reprise workflow list`.
import { type Command, InvalidArgumentError } from 'commander';
import type { WorkflowExecutionInfo } from '../../../sdk/client.ts';
import { type CommonOptions, newClientAction, withClient } from '../command-client.ts';
import { jsonText } from '../json-view.ts';
import { countRows, formatTable } from '../table.ts';

const listPageMax = 1_000;

export function listCommand(): Command {
  return newClientAction('list', 'List runs, newest first.')
    .option(
      '--query <query>',
      `for example "ExecutionStatus = 'Running' AND WorkflowType = 'order'"; may use search attributes`,
    )
    .option('--limit <n>', 'maximum number of runs', listLimit, 20)
    .action((options: CommonOptions & { query?: string; limit: number }) =>
      withClient(options, async (client) => {
        const { query, limit } = options;
        const runs: WorkflowExecutionInfo[] = [];
        // Reads one run more than it shows, to know whether there are more.
        const pageSize = Math.min(limit + 1, listPageMax);
        for await (const run of client.workflow.list({ ...(query === undefined ? {} : { query }), pageSize })) {
          if (runs.push(run) > limit) break;
        }
        const shown = runs.slice(0, limit);
        if (options.json === true) return console.log(jsonText(shown));
        const more = runs.length > limit ? `; there are more: use --limit ${limit * 10}` : '';
        console.log(`${runsText(shown)}${more}`);
      }),
    );
}

function listLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number from 1.');
}

function runsText(runs: readonly WorkflowExecutionInfo[]): string {
  const rows = runs.map((run) => [
    run.status.name.toLowerCase(),
    run.workflowId,
    run.type,
    run.startTime.toISOString(),
    run.closeTime?.toISOString() ?? null,
  ]);
  return `${formatTable(['status', 'workflow id', 'type', 'started', 'closed'], rows)}\n${countRows(runs.length)}`;
}
