// Judges the findings and prints them.
import type { CodeReplay, Findings, LiveSample } from './examine.ts';
import { figure } from './progress.ts';

/** A killed worker's database session ends at once. A worker that hangs is detected when its lease of 5 s expires. */
const takeoverMsMax = { SIGKILL: 1_000, SIGSTOP: 6_000 };

/** Returns the expectations that failed; an empty list if none failed. */
export function judge(findings: Findings, lossExpected: boolean): string[] {
  const { loss, takeoverMs, before } = findings;
  const faults: string[] = [];
  const lost = findings.records - findings.completed;
  if (lost !== 0) faults.push(`${figure(lost)} records lost, expected 0`);
  if (findings.redone > findings.concurrency) {
    faults.push(`${figure(findings.redone)} records redone, expected at most ${findings.concurrency}`);
  }
  if (findings.stateHash !== findings.plainHash) faults.push('final state differs from that of the plain loop');
  if (!findings.replay.isSame) faults.push('the workflow code does not repeat what the log says');
  if (!findings.sample.isSame) faults.push('a repair that was executed again gave another result');
  if (lossExpected && loss === undefined)
    faults.push('the run ended before a worker could be stopped: ask for more --records, or for --no-kill');
  if (loss !== undefined) {
    const limit = takeoverMsMax[loss.signal];
    if (takeoverMs === undefined) faults.push('nobody took over');
    else if (takeoverMs > limit)
      faults.push(`first new record after ${takeoverMs.toFixed(0)} ms, expected ${limit} at most`);
    if (before === undefined || before.done > loss.completed || before.foreign > 0) {
      faults.push('the state just before the worker went is not what the plain loop had come to');
    }
  }
  return faults;
}

export function report(findings: Findings, faults: readonly string[]): string[] {
  const { loss, before, story, rebuild, replay, sample, workflowId, runId } = findings;
  const rate = figure(Math.round((findings.records / findings.totalMs) * 1000));
  const rows: [string, string][] = [
    [
      'records',
      `${figure(findings.completed)} done, ${figure(findings.records - findings.completed)} lost, ${figure(findings.redone)} redone`,
    ],
    ['time', `${(findings.totalMs / 1000).toFixed(1)} s, ${rate} records/s`],
  ];
  if (loss !== undefined) {
    rows.push(
      ['stopped', `${loss.worker} by ${loss.signal} at ${figure(loss.completed)} records`],
      ['takeover', `first new record ${findings.takeoverMs?.toFixed(0)} ms later, nobody helped`],
    );
  }
  rows.push(
    ['patches', `${figure(findings.patches)} context patches in the log`],
    ['final state', `${findings.stateHash} (SHA-256 of RFC 8785)`],
    ['plain loop', `${findings.plainHash} without any engine`],
    ['rebuild', `${figure(rebuild.patches)} patches in ${rebuild.ms.toFixed(0)} ms (PATCH_ONLY: no code was run)`],
    ['replay', `${figure(replay.events)} events in ${(replay.ms / 1000).toFixed(1)} s, ${eventRate(replay)}/s`],
    ['', `(MOCK_TOOLS: the code ran again, ${figure(replay.activities)} activities answered from the log)`],
    [
      'sample',
      `${figure(sample.calls)} repairs executed again in ${(sample.ms / 1000).toFixed(1)} s, ${sameOrNot(sample)}`,
    ],
    ['', '(LIVE_TOOLS: a run beside the run, from the last page on)'],
  );
  if (before !== undefined) {
    const repaired = `${figure(before.repaired)} records repaired`;
    rows.push(['just before', `${repaired}, ${figure(before.done)} done in whole pages (state at seq ${loss?.seq})`]);
  }
  if (story !== undefined) {
    rows.push(['one repair', `${story.record} at seq ${story.seq}`], ['  who', story.who], ['  why', story.why]);
    for (const op of story.ops) rows.push(['  what', JSON.stringify(op)]);
    for (const { path, value, sourceId, seq } of story.blame) {
      rows.push(['  blame', `${path} ${JSON.stringify(value)} by ${sourceId} at seq ${seq}`]);
    }
  }
  return [
    '',
    ...rows.map(([name, value]) => `${name.padEnd(12)} ${value}`),
    '',
    ...(faults.length === 0 ? ['Everything held.'] : faults.map((fault) => `FAULT: ${fault}`)),
    '',
    'Look further:',
    `  npm run -s reprise -- workflow show ${workflowId}`,
    `  npm run -s reprise -- workflow patches ${workflowId} --path /fixes/${story?.record ?? ''}`,
    `  npm run -s reprise -- sql "select source_id, count(*) from reprise.events where run_id = '${runId}' and ops is not null group by 1 order by 2 desc"`,
  ];
}

function eventRate({ events, ms }: CodeReplay): string {
  return figure(Math.round((events / ms) * 1000));
}

function sameOrNot({ isSame }: LiveSample): string {
  return isSame ? 'with the same results' : 'with other results';
}
