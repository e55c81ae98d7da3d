// `reprise workflow patches`: who changed the context document, when, why, and what.
import { type Command, Option } from 'commander';
import { type ContextSource, contextSources } from '../../../runtime/core/log/event.ts';
import type { PatchRecord } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { readTime, withZone, type ZoneOption } from '../point-option.ts';
import { countRows, formatTable } from '../table.ts';
import { chainOf, type RunOptions, withHandle, workflowAction } from './run-action.ts';

interface PatchesOptions extends RunOptions, ZoneOption {
  path?: string;
  source?: ContextSource;
  sourceId?: string;
  since?: string;
  until?: string;
}

const time = 'a time such as 2026-01-31T12:00:00Z, 14:03 or "5 min ago"';

export function patchesCommand(): Command {
  return withZone(workflowAction('patches', 'List context patches in order: who, when, why, what.'))
    .option('--path <pointer>', 'only patches at, above or below this JSON Pointer; the token * stands for any key')
    .addOption(new Option('--source <source>', 'only patches of this source').choices(contextSources))
    .option('--source-id <id>', 'only patches of this tool, agent, model or person')
    .option('--since <time>', `only patches at or after ${time}`)
    .option('--until <time>', 'only patches at or before a time')
    .action((workflowId: string, options: PatchesOptions) =>
      withHandle(workflowId, options, async (handle) => {
        const { path, source, sourceId, since, until } = options;
        const patches = await handle.patches({
          ...(path === undefined ? {} : { path }),
          ...(source === undefined ? {} : { source }),
          ...(sourceId === undefined ? {} : { sourceId }),
          ...(since === undefined ? {} : { since: readTime(since, options) }),
          ...(until === undefined ? {} : { until: readTime(until, options) }),
          ...chainOf(options),
        });
        console.log(options.json === true ? jsonText(patches) : patchesText(patches));
      }),
    );
}

function patchesText(patches: readonly PatchRecord[]): string {
  const isOfOneRun = patches.every(({ runId }) => runId === patches[0]?.runId);
  const rows = patches.map((patch) => [
    ...(isOfOneRun ? [] : [patch.runId]),
    String(patch.seq),
    patch.at.toISOString(),
    [patch.source, patch.sourceId].filter((part) => part !== null).join(' '),
    patch.reason,
    [progressText(patch), ...patch.ops.map((op) => jsonText(op))].filter((part) => part !== '').join(' '),
  ]);
  const columns = [...(isOfOneRun ? [] : ['run']), 'seq', 'at', 'who', 'why', 'operations'];
  return `${formatTable(columns, rows, new Set([isOfOneRun ? 0 : 1]))}\n${countRows(patches.length)}`;
}

function progressText({ progress, ref }: PatchRecord): string {
  return progress === undefined ? '' : `progress ${progress}${ref === undefined ? '' : ` (${ref})`}`;
}
