// `reprise replay --all` and `--open`: replays many runs, shows the progress, and writes reports for people and for CI.
import { writeFile } from 'node:fs/promises';
import { junitText } from '../../../runtime/replay/many/gate-report.ts';
import type { GateReport, ReplayAllOptions } from '../../../sdk/client.ts';
import { colored } from '../color.ts';
import { type CommonOptions, withClient } from '../command-client.ts';
import { jsonText } from '../json-view.ts';
import { Progress } from './progress.ts';

export interface ManyFlags extends CommonOptions {
  since?: string;
  sample?: number;
  type?: string;
  query?: string;
  taskQueue?: string;
  parallel?: number;
  junit?: string;
  report?: string;
}

/** Exit code 2: a run failed. */
export async function replayManyRuns(flags: ManyFlags, options: ReplayAllOptions): Promise<void> {
  await withClient(flags, async ({ workflow }) => {
    const selected = { ...options, ...selectionOf(flags) };
    const count = await workflow.countReplays(selected);
    const progress = new Progress(Math.min(count, flags.sample ?? count), 'runs');
    const report = await workflow.replayAll({
      ...selected,
      onVerdict: (_, { runs, failed }) => progress.update(runs, failed),
    });
    progress.end();
    if (flags.junit !== undefined) await writeFile(flags.junit, junitText(report));
    if (flags.report !== undefined) await writeFile(flags.report, `${jsonText(report, 2)}\n`);
    console.log(flags.json === true ? jsonText(report) : gateText(report));
    process.exitCode = report.success ? 0 : 2;
  });
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
  const head = success ? colored('green', 'ok') : colored('red', `${failed} of ${runs} runs FAILED`);
  const counts = `${runs} runs, ${events} events in ${(ms / 1000).toFixed(1)} s (${rate} events/s)`;
  const parts = groups.map(({ divergence, runs: count, examples, message }) =>
    [
      `${count} ${count === 1 ? 'run' : 'runs'}: ${divergence}`,
      `  such as ${examples.join(', ')}`,
      ...message.split('\n').map((line) => `  ${line}`),
    ].join('\n'),
  );
  return [`replayed: ${head}: ${counts}`, ...parts].join('\n\n');
}
