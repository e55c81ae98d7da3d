// `reprise workflow blame`: who wrote each value of the context document, when and why.
import type { Command } from 'commander';
import type { BlameEntry } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { pointHelp, readPoint, withZone, type ZoneOption } from '../point-option.ts';
import { countRows, formatTable } from '../table.ts';
import { authorCells, authorColumns } from './author-cells.ts';
import { chainOf, type RunOptions, withHandle, workflowAction } from './run-action.ts';

interface BlameOptions extends RunOptions, ZoneOption {
  path: string;
  at?: string;
}

export function blameCommand(): Command {
  return withZone(workflowAction('blame', 'Show who wrote each value of the context document, when and why.'))
    .option('--path <pointer>', 'only values at and below this JSON Pointer; the token * stands for any key', '')
    .option('--at <point>', `as it was at ${pointHelp}`)
    .action((workflowId: string, options: BlameOptions) =>
      withHandle(workflowId, options, async (handle) => {
        const entries = await handle.blame(options.path, { ...readPoint(options.at, options), ...chainOf(options) });
        console.log(options.json === true ? jsonText(entries) : blameText(entries, options.path));
      }),
    );
}

function blameText(entries: readonly BlameEntry[], path: string): string {
  if (entries.length === 0) {
    const place = path === '' ? 'The run has no context document there.' : `There is nothing at ${path}.`;
    return path === '' ? place : `${place} \`reprise workflow timeline\` shows the values that a path had.`;
  }
  const rows = entries.map((entry) => [
    entry.path,
    jsonText(entry.value),
    entry.prev === undefined ? null : jsonText(entry.prev),
    ...authorCells(entry, entries),
  ]);
  return `${formatTable(['path', 'value', 'before', ...authorColumns(entries)], rows)}\n${countRows(entries.length)}`;
}
