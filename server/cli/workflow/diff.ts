// `reprise workflow diff`: what changed in the context document between two points.
import type { Command } from 'commander';
import type { ContextDiff } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { pointHelp, readPoint, withZone, type ZoneOption } from '../point-option.ts';
import { countRows, formatTable } from '../table.ts';
import { chainOf, type RunOptions, withHandle, workflowAction } from './run-action.ts';
import { sayRejected } from './state.ts';

export function diffCommand(): Command {
  return withZone(workflowAction('diff', 'Show what changed in the context document between two points.'))
    .argument('<from>', pointHelp)
    .argument('[to]', 'another point; default: now')
    .action((workflowId: string, from: string, to: string | undefined, options: RunOptions & ZoneOption) =>
      withHandle(workflowId, options, async (handle) => {
        const chain = chainOf(options);
        const diff = await handle.diff(
          { ...readPoint(from, options), ...chain },
          { ...readPoint(to, options), ...chain },
        );
        for (const point of [diff.from, diff.to]) sayRejected(point);
        console.log(options.json === true ? jsonText(diff) : diffText(diff));
      }),
    );
}

function diffText({ from, to, ops }: ContextDiff): string {
  const runs = from.runId === to.runId ? '' : ` of run ${from.runId}`;
  const rows = ops.map((op) => [
    op.op,
    op.path === '' ? '(whole document)' : op.path,
    op.prev === undefined ? null : jsonText(op.prev),
    'value' in op ? jsonText(op.value) : null,
  ]);
  return `${formatTable(['change', 'path', 'before', 'after'], rows)}\n${countRows(ops.length)}, from seq ${from.seq}${runs} to seq ${to.seq}`;
}
