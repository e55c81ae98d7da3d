// Judges the findings and prints them.
import { isDeepStrictEqual } from 'node:util';
import { epochs, fatalEpoch } from './activities.ts';
import type { Findings, Takeover } from './examine.ts';

/** What must have been executed: the two stages in which a worker was lost, twice. */
const executionsExpected = [1, 2, 1, 2, 1];
/** Up to the loss, and from the same epoch on. */
const epochsExpected = [
  ...Array.from({ length: fatalEpoch }, (_, index) => index + 1),
  ...Array.from({ length: epochs - fatalEpoch + 1 }, (_, index) => fatalEpoch + index),
];
const checkpointsExpected = [0.4, 0.6, 0.8];

/** Returns the expectations that failed; an empty list if none failed. */
export function judge(findings: Findings): string[] {
  const { stages, zombie } = findings;
  const faults: string[] = [];
  const executions = stages.map((stage) => stage.executions);
  if (!isDeepStrictEqual(executions, executionsExpected)) {
    faults.push(`the stages were executed ${executions.join(', ')} times, expected ${executionsExpected.join(', ')}`);
  }
  for (const { stage, completions } of stages) {
    if (completions !== 1) faults.push(`${stage} has ${completions} results in the log, expected 1`);
  }
  if (!isDeepStrictEqual(findings.epochs, epochsExpected)) {
    faults.push(`the epochs were ${findings.epochs.join(', ')}, expected ${epochsExpected.join(', ')}`);
  }
  if (zombie.finished !== 2) faults.push(`${zombie.worker} did not finish its stage after it woke`);
  if (zombie.message === undefined) faults.push(`${zombie.worker} did not notice that it was declared dead`);
  if (!isDeepStrictEqual(findings.checkpoints, checkpointsExpected)) {
    const found = findings.checkpoints.join(', ');
    faults.push(`checkpoints are at progress ${found}, expected ${checkpointsExpected.join(', ')}`);
  }
  if (!findings.isIntact) faults.push('the hash chain of the log is broken');
  if (!findings.sameModel) faults.push('the model differs from that of a training without losses');
  return faults;
}

export function report(findings: Findings, faults: readonly string[]): string[] {
  const { stages, takeovers, zombie, workflowId } = findings;
  const lossIn = (stage: string): string => {
    const takeover = takeovers.find((given) => given.stage === stage);
    return takeover === undefined ? '' : storyOf(takeover);
  };
  return [
    '',
    ...table([
      ['stage', 'executed', 'results', 'progress', 'taken over'],
      ...stages.map((row) => [
        row.stage,
        `${row.executions}`,
        `${row.completions}`,
        `${row.progress}`,
        lossIn(row.stage),
      ]),
    ]),
    '',
    ...table([
      ['lost in', 'work left', 'work of a restart', 'speed-up'],
      ...takeovers.map(({ stage, leftMs, restartMs }) => [
        stage,
        `${leftMs} ms`,
        `${restartMs} ms`,
        `${(restartMs / leftMs).toFixed(1)} times`,
      ]),
    ]),
    '',
    `saved     checkpoints of the context at progress ${findings.checkpoints.join(', ')}`,
    `zombie    ${zombie.worker} woke and finished ${takeovers[0]?.stage} too. Its result is not in the log. It says:`,
    `          ${zombie.message}`,
    `log       ${findings.events} events, hash chain ${findings.isIntact ? 'intact' : 'broken'}`,
    `model     ${(findings.accuracy * 100).toFixed(1)} % of the test right, ${findings.sameModel ? 'the same as' : 'not that of'} a training without losses`,
    '',
    ...(faults.length === 0 ? ['Everything held.'] : faults.map((fault) => `FAULT: ${fault}`)),
    '',
    'Look further:',
    `  npm run -s reprise -- workflow show ${workflowId}`,
  ];
}

function storyOf({ worker, signal, by, afterMs, continuesAt }: Takeover): string {
  const where = continuesAt === 'starts' ? 'from its start' : `in ${continuesAt} of ${epochs}`;
  return `${worker} lost by ${signal}, ${by} continues ${where} after ${(afterMs / 1000).toFixed(2)} s`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
