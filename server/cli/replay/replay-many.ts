// `reprise replay --all` and `--open`: replays many runs, shows the progress, and writes reports for people and for CI.
import { writeFile } from 'node:fs/promises';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { junitText } from '../../../runtime/replay/many/gate-report.ts';
import type { GateReport, ReplayAllOptions } from '../../../sdk/client.ts';
import { colored } from '../color.ts';
import { type CommonOptions, withClient } from '../command-client.ts';
import { jsonText } from '../json-view.ts';
import { counted } from '../counted.ts';
import { Progress } from './progress.ts';

export interface ManyFlags extends CommonOptions {
  all?: true;
  open?: true;
  allowEmpty?: true;
  since?: string;
  sample?: number;
  type?: string;
  query?: string;
  taskQueue?: string;
  parallel?: number;
  junit?: string;
  report?: string;
}

/** Exit code 2: a run failed. @throws RUN_NOT_FOUND when no run is selected, because a gate without runs checks nothing */
export async function replayManyRuns(flags: ManyFlags, options: ReplayAllOptions): Promise<void> {
  await withClient(flags, async ({ workflow }) => {
    const selected = { ...options, ...selectionOf(flags) };
    const count = await workflow.countReplays(selected);
    const progress = new Progress(Math.min(count, flags.sample ?? count), 'run');
    const report = await workflow.replayAll({
      ...selected,
      onVerdict: (_, { runs, failed }) => progress.update(runs, failed),
    });
    progress.end();
    if (report.runs === 0 && flags.allowEmpty !== true) throw nothingSelected(flags);
    if (flags.junit !== undefined) await writeFile(flags.junit, junitText(report));
    if (flags.report !== undefined) await writeFile(flags.report, `${jsonText(report, 2)}\n`);
    console.log(flags.json === true ? jsonText(report) : gateText(report));
    process.exitCode = report.success ? 0 : 2;
  });
}

function nothingSelected({ namespace, ...flags }: ManyFlags): RuntimeError {
  const names = { type: '--type', taskQueue: '--task-queue', query: '--query', since: '--since' } as const;
  const filters = (Object.keys(names) as (keyof typeof names)[]).flatMap((name) =>
    flags[name] === undefined ? [] : `${names[name]} ${JSON.stringify(flags[name])}`,
  );
  const selection = [flags.open === true ? '--open' : '--all', ...filters, `--namespace ${JSON.stringify(namespace)}`];
  return new RuntimeError(
    'RUN_NOT_FOUND',
    `No run was replayed, so nothing was checked: no run matches ${selection.join(' and ')}. Correct the options, or pass ` +
      '--allow-empty if there may be no such run.',
  );
}

function selectionOf({ since, sample, type, query, taskQueue, parallel }: ManyFlags): ReplayAllOptions {
  return {
    ...(since === undefined ? {} : { since: since as NonNullable<ReplayAllOptions['since']> }),
    ...(sample === undefined ? {} : { sample }),
    ...(type === undefined ? {} : { workflowType: type }),
    ...(query === undefined ? {} : { query }),
    ...(taskQueue === undefined ? {} : { taskQueue }),
    ...(parallel === undefined ? {} : { parallel }),
  };
}

function gateText({ success, runs, failed, events, ms, groups }: GateReport): string {
  const rate = Math.round((events / Math.max(ms, 1)) * 1000);
  const head = success ? colored('green', 'ok') : colored('red', `${failed} of ${counted(runs, 'run')} FAILED`);
  const counts = `${counted(runs, 'run')}, ${counted(events, 'event')} in ${(ms / 1000).toFixed(1)} s (${rate} events/s)`;
  const parts = groups.map(({ divergence, runs: count, examples, message }) =>
    [
      `${counted(count, 'run')}: ${divergence}`,
      `  such as ${examples.join(', ')}`,
      ...message.split('\n').map((line) => `  ${line}`),
    ].join('\n'),
  );
  return [`replayed: ${head}: ${counts}`, ...parts].join('\n\n');
}
