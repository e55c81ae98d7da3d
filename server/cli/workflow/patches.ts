// `reprise workflow patches`: who changed the context document, when, why, and what.
import { type Command, Option } from 'commander';
import { type ContextSource, contextSources } from '../../../runtime/core/log/event.ts';
import type { PatchRecord } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { countRows, formatTable } from '../table.ts';
import { type RunOptions, withHandle, workflowAction } from './run-action.ts';

export function patchesCommand(): Command {
  return workflowAction('patches', 'List context patches in order: who, when, why, what.')
    .option('--path <pointer>', 'only patches at, above or below this JSON Pointer')
    .addOption(new Option('--source <source>', 'only patches of this source').choices(contextSources))
    .option('--source-id <id>', 'only patches of this tool, agent, model or person')
    .action((workflowId: string, options: RunOptions & { path?: string; source?: ContextSource; sourceId?: string }) =>
      withHandle(workflowId, options, async (handle) => {
        const { path, source, sourceId } = options;
        const patches = await handle.patches({
          ...(path === undefined ? {} : { path }),
          ...(source === undefined ? {} : { source }),
          ...(sourceId === undefined ? {} : { sourceId }),
        });
        console.log(options.json === true ? jsonText(patches) : patchesText(patches));
      }),
    );
}

function patchesText(patches: readonly PatchRecord[]): string {
  const rows = patches.map((patch) => [
    String(patch.seq),
    patch.at.toISOString(),
    [patch.source, patch.sourceId].filter((part) => part !== null).join(' '),
    patch.reason,
    patch.ops.map((op) => jsonText(op)).join(' '),
  ]);
  return `${formatTable(['seq', 'at', 'who', 'why', 'operations'], rows, new Set([0]))}\n${countRows(patches.length)}`;
}
