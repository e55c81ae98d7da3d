// `reprise workflow list`.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ListedExecutionInfo } from '../../../sdk/client.ts';
import { type CommonOptions, newClientAction, withClient } from '../command-client.ts';
import { jsonText } from '../json-view.ts';
import { countRows, formatTable } from '../table.ts';

const listPageMax = 1_000;
const noteWidth = 80;
const statuses = [
  'running',
  'paused',
  'completed',
  'failed',
  'cancelled',
  'terminated',
  'timed_out',
  'continued_as_new',
  'rolled_back',
  'recovered',
];

export function listCommand(): Command {
  return newClientAction('list', 'List runs, newest first.')
    .option(
      '--query <query>',
      `for example "ExecutionStatus = 'Running' AND WorkflowType = 'order'"; may use search attributes`,
    )
    .addOption(
      new Option('--status <status>', 'only runs of this status, instead of a query')
        .choices(statuses)
        .conflicts('query'),
    )
    .option('--limit <n>', 'maximum number of runs', listLimit, 20)
    .action((options: CommonOptions & { query?: string; status?: string; limit: number }) =>
      withClient(options, async (client) => {
        const { status, limit } = options;
        const query = status === undefined ? options.query : `ExecutionStatus = '${status}'`;
        const runs: ListedExecutionInfo[] = [];
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

function runsText(runs: readonly ListedExecutionInfo[]): string {
  const rows = runs.map((run) => [
    run.status.name.toLowerCase(),
    run.workflowId,
    run.type,
    run.startTime.toISOString(),
    run.closeTime?.toISOString() ?? null,
    noteOf(run),
  ]);
  return `${formatTable(['status', 'workflow id', 'type', 'started', 'closed', 'note'], rows)}\n${countRows(runs.length)}`;
}

/** Why an open run does not go on, or which run goes on in place of a closed one. */
function noteOf({ problem, takenOverBy }: ListedExecutionInfo): string | null {
  if (takenOverBy !== undefined) return `continued by ${takenOverBy}`;
  if (problem === undefined) return null;
  const { kind, code, attempt, message } = problem;
  const text = `${kind} ${code} (attempt ${attempt}): ${message}`.replaceAll('\n', ' ');
  return text.length <= noteWidth ? text : `${text.slice(0, noteWidth - 1)}…`;
}
