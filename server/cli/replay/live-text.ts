// Reports of replays with live activities as text for people.
import type { ActivityMatch, LiveEstimate, LiveReplayReport, WhatIfReport } from '../../../sdk/client.ts';
import { colored } from '../color.ts';
import { jsonText } from '../json-view.ts';
import { formatTable } from '../table.ts';

/** Number of paths that a person reads. `--json` has all. */
const pathsMax = 20;

export function dollars(usd: number): string {
  return `$${usd < 0.1 && usd > 0 ? usd.toFixed(6) : usd.toFixed(2)}`;
}

export function estimateText({ calls, usd, isAtMost }: LiveEstimate): string {
  return `estimate: ${isAtMost ? 'at most ' : ''}${calls} calls, ${dollars(usd)}`;
}

export function liveText(report: LiveReplayReport): string {
  const { outcome, stop, matches, paths, estimate, usd, matchRate, sample } = report;
  const head: [string, string][] = [
    ['replay', `LIVE_TOOLS: ${report.success ? colored('green', 'ok') : colored('red', 'STOPPED')}`],
    ['workflow', `${report.workflowId} (${report.workflowType})`],
    ['run id', report.runId],
    ['fork', `${report.forkRunId} (${report.isKept ? 'kept' : 'pruned with its origin'})`],
    ['seqs', `${report.fromSeq} to ${report.toSeq}`],
    ['outcome', outcome.isSame ? `same: ${outcomeText(outcome.recorded)}` : 'CHANGED'],
    ...(outcome.isSame
      ? []
      : ([
          ['  recorded', outcomeText(outcome.recorded)],
          ['  replayed', outcomeText(outcome.replayed)],
        ] as [string, string][])),
    ['match rate', rateText(matchRate) + (sample < 1 ? `, of a sample of ${percent(sample)} of the calls` : '')],
    ['cost', `${dollars(usd)} (estimated ${dollars(estimate.usd)})`],
    ['took', `${Math.round(report.ms)} ms`],
  ];
  return [
    head.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n'),
    stop === undefined ? '' : stopText(stop),
    matchesText(matches),
    paths.length === 0
      ? ''
      : `Paths that differ (${paths.length}):\n${formatTable(
          ['path', 'recorded', 'replayed'],
          paths.slice(0, pathsMax).map(({ path, recorded, replayed }) => [path, cell(recorded), cell(replayed)]),
        )}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

export function whatIfText(report: WhatIfReport): string {
  const { runs, verdicts, changedShare, matchRate, usdBefore, usd, paths, matches, examples, ms } = report;
  const counts = Object.entries(verdicts).flatMap(([verdict, count]) => (count === 0 ? [] : [`${count} ${verdict}`]));
  const head: [string, string][] = [
    ['runs', `${runs}: ${counts.join(', ')}`],
    ['changed', changedShare === null ? 'none was replayed' : `${percent(changedShare)} of the outcomes`],
    ['match rate', rateText(matchRate)],
    ['cost', `${dollars(usd)} (the recorded calls: ${dollars(usdBefore)})`],
    ['took', `${(ms / 1000).toFixed(1)} s`],
  ];
  return [
    head.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n'),
    matchesText(matches),
    paths.length === 0
      ? ''
      : formatTable(
          ['path', 'runs'],
          paths.slice(0, pathsMax).map(({ path, runs: count }) => [path, String(count)]),
          new Set([1]),
        ),
    examples.length === 0
      ? ''
      : formatTable(
          ['workflow id', 'run id', 'verdict', 'why'],
          examples.map(({ workflowId, runId, verdict, message }) => [workflowId, runId, verdict, message ?? null]),
        ),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function matchesText(matches: readonly ActivityMatch[]): string {
  if (matches.length === 0) return '';
  return formatTable(
    ['activity', 'same', 'differs', 'missing', 'extra', 'live', 'cost'],
    matches.map((match) => [
      match.type,
      ...[match.same, match.differs, match.missing, match.extra, match.live].map(String),
      dollars(match.usd),
    ]),
    new Set([1, 2, 3, 4, 5, 6]),
  );
}

function stopText({ why, calls, message }: NonNullable<LiveReplayReport['stop']>): string {
  const names = calls.map(({ kind, name, id, problem }) => {
    return `${kind} ${name}${id === '' ? '' : ` (${id})`}${problem === undefined ? '' : `: ${problem}`}`;
  });
  switch (why) {
    case 'not-live':
      return `Stopped: the record does not answer these calls, and they are not live. Name them with --live.\n  ${names.join('\n  ')}`;
    case 'end-of-log':
      return `The record ended. The code waits for ${names.length === 0 ? 'a message' : names.join(', ')}.`;
    case 'task-failed':
      return `Stopped: the code failed: ${message ?? ''}`;
  }
}

function outcomeText({ status, value }: LiveReplayReport['outcome']['recorded']): string {
  return value === undefined ? status : `${status} ${cell(value) ?? ''}`;
}

function rateText(rate: number | null): string {
  return rate === null ? 'no call was entered' : percent(rate);
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}

function cell(value: unknown): string | null {
  if (value === undefined) return null;
  const text = jsonText(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
