// `reprise workflow timeline`: each value that a path of the context document had.
import type { Command } from 'commander';
import type { TimelineEntry } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { countRows, formatTable } from '../table.ts';
import { authorCells, authorColumns } from './author-cells.ts';
import { chainOf, type RunOptions, withHandle, workflowAction } from './run-action.ts';

export function timelineCommand(): Command {
  return workflowAction('timeline', 'Show each value that a path of the context document had, with who, when and why.')
    .requiredOption('--path <pointer>', 'JSON Pointer, such as /items/0/price')
    .action((workflowId: string, options: RunOptions & { path: string }) =>
      withHandle(workflowId, options, async (handle) => {
        const entries = await handle.timeline(options.path, chainOf(options));
        console.log(options.json === true ? jsonText(entries) : timelineText(entries, options.path));
      }),
    );
}

function timelineText(entries: readonly TimelineEntry[], path: string): string {
  if (entries.length === 0) return `There never was anything at ${path}.`;
  const rows = entries.map((entry) => [
    entry.value === undefined ? '(removed)' : jsonText(entry.value),
    ...authorCells(entry, entries),
  ]);
  return `${formatTable(['value', ...authorColumns(entries)], rows)}\n${countRows(entries.length)}`;
}
