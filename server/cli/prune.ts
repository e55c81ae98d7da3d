// `reprise prune`: removes what retention no longer keeps.
import { type Command, InvalidArgumentError } from 'commander';
import type { PruneReport } from '../../sdk/client.ts';
import { newAction } from './command.ts';
import { withClient } from './command-client.ts';
import { jsonText } from './json-view.ts';
import { countOf, formatTable } from './table.ts';

interface Options {
  json?: boolean;
  dryRun?: boolean;
  keepCompleted?: number;
  keepFailed?: number;
  maxAgeDays?: number;
  completedDays?: number;
  failedDays?: number;
  keepSystem?: number;
  archive?: string;
}

export function pruneCommand(): Command {
  return newAction('prune', 'Remove old checkpoints and old closed runs, of all namespaces.')
    .option('--dry-run', 'only count')
    .option('--completed-days <n>', 'keep a completed run this long (default 90)', amount)
    .option('--failed-days <n>', 'keep a failed, timed out or terminated run this long (default 365)', amount)
    .option('--archive <folder>', 'write each run to <run id>.jsonl.gz before it leaves')
    .option('--keep-completed <n>', 'checkpoints that a completed run keeps (default 3)', amount)
    .option('--keep-failed <n>', 'checkpoints that a failed run keeps (default 10)', amount)
    .option(
      '--max-age-days <n>',
      'age at which a checkpoint goes, unless it is pinned or the newest (default 30)',
      amount,
    )
    .option('--keep-system <n>', 'system checkpoints that are kept (default 5)', amount)
    .action((options: Options) =>
      withClient({ namespace: 'default' }, async ({ system }) => {
        const { keepCompleted, keepFailed, maxAgeDays, completedDays, failedDays, archive, keepSystem } = options;
        const report = await system.prune({
          checkpoints: given({ keepCompleted, keepFailed, maxAgeDays }),
          events: { ...given({ completedDays, failedDays }), ...(archive === undefined ? {} : { archive }) },
          system: given({ keep: keepSystem }),
          dryRun: options.dryRun === true,
        });
        console.log(options.json === true ? jsonText(report) : reportText(report));
      }),
    );
}

function amount(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a number of 0 or more.');
}

function given(options: Record<string, number | undefined>): Record<string, number> {
  const entries = Object.entries(options).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}

function reportText({ dryRun, runs, checkpoints, systemCheckpoints, passedOver }: PruneReport): string {
  const rows = [
    ['closed runs', String(runs.runs), String(runs.bytes)],
    ['  their events', String(runs.events), null],
    ['checkpoints', String(checkpoints.rows), String(checkpoints.bytes)],
    ['system checkpoints', String(systemCheckpoints), null],
  ];
  const waiting =
    passedOver.length === 0 ? '' : `\n${countOf(passedOver.length, 'run was', 'runs were')} in use and stay for now.`;
  const done = dryRun ? 'Nothing was removed: this is what a prune would remove.' : 'Removed.';
  return `${formatTable(['what', 'count', 'bytes'], rows, new Set([1, 2]))}\n${done}${waiting}`;
}
