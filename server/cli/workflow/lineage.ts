// `reprise workflow lineage`: which runs came from each other, as a tree.
import { type Command, InvalidArgumentError } from 'commander';
import type { Lineage, LineageRun } from '../../../sdk/client.ts';
import { type Color, colored } from '../color.ts';
import { jsonText } from '../json-view.ts';
import { countRows, formatTable } from '../table.ts';
import { type RunOptions, withHandle, workflowAction } from './run-action.ts';

export function lineageCommand(): Command {
  return workflowAction(
    'lineage',
    'Show origins, forks, continuations, retries, scheduled runs and children as a tree.',
  )
    .option('--limit <n>', 'maximum number of runs', runLimit, 1_000)
    .action((workflowId: string, options: RunOptions & { limit: number }) =>
      withHandle(workflowId, options, async (handle) => {
        const lineage = await handle.lineage({ limit: options.limit });
        console.log(options.json === true ? jsonText(lineage) : lineageText(lineage, options.limit));
      }),
    );
}

function runLimit(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number from 1 to 9999999.');
}

const statusColors: Partial<Record<LineageRun['status'], Color>> = {
  completed: 'green',
  failed: 'red',
  timed_out: 'red',
  running: 'yellow',
  paused: 'yellow',
};

function lineageText({ runs, isComplete }: Lineage, limit: number): string {
  const branches = branchesOf(runs.map(({ depth }) => depth));
  const rows = runs.map((run, index) => [
    `${branches[index]}${run.workflowId}`,
    run.runId,
    howText(run),
    run.status,
    run.startedAt.toISOString(),
    run.closedAt === undefined ? null : durationText(run.closedAt.getTime() - run.startedAt.getTime()),
    run.reason ?? run.closeReason ?? null,
  ]);
  const columns = ['workflow id', 'run id', 'how', 'status', 'started', 'took', 'reason'];
  const [names, line, ...body] = formatTable(columns, rows, new Set([5])).split('\n');
  const painted = body.map((text, index) => {
    const { status } = runs[index]!;
    const color = statusColors[status];
    return color === undefined ? text : text.replace(` ${status} `, ` ${colored(color, status)} `);
  });
  const more = isComplete ? '' : `; there are more: use --limit ${limit * 10}`;
  return `${[names, line, ...painted].join('\n')}\n${countRows(runs.length)}${more}`;
}

/** The lines that connect each run with the run above it from which it branched off. */
function branchesOf(depths: readonly number[]): string[] {
  // From the end, because a line goes down only if another run of its level follows.
  const follows: boolean[] = [];
  const prefixes: string[] = [];
  for (const depth of depths.toReversed()) {
    follows.length = Math.min(follows.length, depth + 1);
    let prefix = '';
    for (let level = 1; level < depth; level++) prefix += follows[level] === true ? '│  ' : '   ';
    if (depth > 0) prefix += follows[depth] === true ? '├─ ' : '└─ ';
    follows[depth] = true;
    prefixes.push(prefix);
  }
  return prefixes.reverse();
}

function howText({ relation, fromSeq, attempt, isReplay, verb, actor }: LineageRun): string {
  if (isReplay) return `replay fork at ${fromSeq}`;
  if (relation === 'retry') return `retry, attempt ${attempt}`;
  if (relation === 'fork') return `${verb ?? 'fork'} at ${fromSeq}${actor === undefined ? '' : ` by ${actor}`}`;
  return fromSeq === undefined ? relation : `${relation} at ${fromSeq}`;
}

function durationText(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  const seconds = ms / 1_000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
