// `reprise workflow checkpoints`: the cached states of the context and the names that the code gave.
import type { Command } from 'commander';
import type { CheckpointInfo } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { countRows, formatTable } from '../table.ts';
import { type RunOptions, withHandle, workflowAction } from './run-action.ts';

export function checkpointsCommand(): Command {
  return workflowAction('checkpoints', 'List the cached states of the context document, and the names in its history.')
    .option('--check', 'say which states are faulty; exits with 2 if any is. Readers pass them over')
    .action((workflowId: string, options: RunOptions & { check?: boolean }) =>
      withHandle(workflowId, options, async (handle) => {
        const rows = await handle.checkpoints({ check: options.check === true });
        console.log(options.json === true ? jsonText(rows) : checkpointsText(rows));
        if (rows.some(({ problem }) => problem !== undefined)) process.exitCode = 2;
      }),
    );
}

export function checkpointsText(rows: readonly CheckpointInfo[]): string {
  const cells = rows.map((row) => [
    String(row.seq),
    row.name ?? null,
    row.isStored ? row.trigger : 'name only',
    row.patches === undefined ? null : String(row.patches),
    row.progress === undefined ? null : String(row.progress),
    row.isStored ? String(row.bytes) : null,
    row.isStored ? String(row.storedBytes) : null,
    [row.pinned ? 'pinned' : '', row.problem ?? ''].filter((part) => part !== '').join(', '),
    row.at.toISOString(),
  ]);
  const columns = ['seq', 'name', 'why', 'patches', 'progress', 'bytes', 'stored', '', 'at'];
  return `${formatTable(columns, cells, new Set([0, 3, 4, 5, 6]))}\n${countRows(rows.length)}`;
}
