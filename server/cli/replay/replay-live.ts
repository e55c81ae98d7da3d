// `reprise replay --mode LIVE_TOOLS`: says what it may cost, asks, and replays one run or many with live activities.
import { createInterface } from 'node:readline/promises';
import { writeFile } from 'node:fs/promises';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { LiveReplayOptions, WhatIfOptions } from '../../../sdk/client.ts';
import { withClient } from '../command-client.ts';
import { counted } from '../counted.ts';
import { jsonText } from '../json-view.ts';
import { estimateText, liveText, whatIfText } from './live-text.ts';
import { Progress } from './progress.ts';
import type { ManyFlags } from './replay-many.ts';

export interface LiveFlags extends Omit<ManyFlags, 'sample'> {
  run?: string;
  from?: string;
  live?: string;
  result: Record<string, URL>;
  mock?: Record<string, URL>;
  sample?: string;
  allowEffects?: string;
  realTime?: true;
  keep?: true;
  yes?: true;
  output?: string;
}

/** Exit code 1: the replay stopped at a call that is not live, or its code failed. A divergence is expected. */
export async function replayOneLive(workflowId: string, flags: LiveFlags): Promise<void> {
  await withClient(flags, async ({ workflow }) => {
    const handle = workflow.getHandle(workflowId, flags.run);
    const options: LiveReplayOptions = { mode: 'LIVE_TOOLS', ...liveOptions(flags) };
    const estimate = await handle.estimateReplay(options);
    if (flags.json !== true) console.log(`${estimateText(estimate)}\n`);
    if (estimate.usd > 0) await confirm(flags);
    const report = await handle.replay(options);
    if (flags.output !== undefined) await writeFile(flags.output, `${jsonText(report, 2)}\n`);
    console.log(flags.json === true ? jsonText(report) : liveText(report));
    process.exitCode = report.success ? 0 : 1;
  });
}

/** Exit code 1: a replay failed. */
export async function replayManyLive(flags: LiveFlags): Promise<void> {
  await withClient(flags, async ({ workflow }) => {
    const { since, type, query, taskQueue, parallel, sample } = flags;
    const selection = {
      ...(since === undefined ? {} : { since: since as NonNullable<WhatIfOptions['since']> }),
      ...(type === undefined ? {} : { workflowType: type }),
      ...(query === undefined ? {} : { query }),
      ...(taskQueue === undefined ? {} : { taskQueue }),
    };
    const runs = sample === undefined || sample.endsWith('%') ? undefined : Number(sample);
    const { keep: _keep, ...live } = liveOptions(flags);
    const count = await workflow.countReplays(selection);
    if (flags.json !== true) console.log(`${counted(Math.min(count, runs ?? count), 'run')}\n`);
    if (live.live !== undefined || live.results !== undefined) await confirm(flags);
    const progress = new Progress(Math.min(count, runs ?? count), 'run');
    let failed = 0;
    const report = await workflow.whatIf({
      ...selection,
      ...live,
      ...(runs === undefined ? {} : { runs }),
      ...(parallel === undefined ? {} : { parallel }),
      onRun: ({ verdict }, done) => {
        if (verdict === 'failed') failed += 1;
        progress.update(done, failed);
      },
    });
    progress.end();
    if (flags.report !== undefined) await writeFile(flags.report, `${jsonText(report, 2)}\n`);
    console.log(flags.json === true ? jsonText(report) : whatIfText(report));
    process.exitCode = report.verdicts.failed === 0 ? 0 : 1;
  });
}

function liveOptions(flags: LiveFlags): Omit<LiveReplayOptions, 'mode'> {
  const { from, live, result, mock, sample, allowEffects, realTime, keep } = flags;
  const results = { ...mock, ...result };
  return {
    ...(from === undefined ? {} : { from: /^\d+$/.test(from) ? Number(from) : from }),
    ...(live === undefined ? {} : { live: live === 'divergent' ? live : live.split(',') }),
    ...(Object.keys(results).length === 0 ? {} : { results }),
    ...(sample?.endsWith('%') === true ? { sample: Number(sample.slice(0, -1)) / 100 } : {}),
    ...(allowEffects === undefined ? {} : { allowEffects: allowEffects.split(',') }),
    ...(realTime === undefined ? {} : { realTime }),
    ...(keep === undefined ? {} : { keep }),
  };
}

/** Nothing that costs money begins without a yes. */
async function confirm({ yes, json }: LiveFlags): Promise<void> {
  if (yes === true) return;
  if (process.stdin.isTTY !== true || json === true) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'replay: LIVE_TOOLS enters activities. Pass --yes to allow that without a question.',
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await terminal.question('Enter these activities? [y/N] ');
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    terminal.close();
  }
  throw new RuntimeError('INVALID_INPUT', 'replay: nothing was replayed.');
}
