// A replay's report as text for people.
import type { MockedCall, ReplayCall, ReplayReport } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { formatTable } from '../table.ts';

const ends = {
  closed: 'the end of the run',
  to: 'the point asked for',
  'end-of-log': 'the end of the log: the code waits for something that the log does not hold',
  stopped: 'a divergence',
} as const;

/** A longer context document is not printed. */
const stateLinesMax = 200;

/** `withState`: also the context document. */
export function reportText(report: ReplayReport, withState: boolean): string {
  return [
    headText(report),
    ...report.divergences.map((divergence) => `divergence at seq ${divergence.seq}: ${divergence.message}`),
    callsText('Missing: recorded commands that the code does not issue', report.missing),
    callsText('Extra: commands that the log does not hold', report.extra),
    approximateText(report),
    mockedText(report.mocked),
    callsText('Next', report.nextCommands ?? []),
    withState ? stateText(report) : '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headText(report: ReplayReport): string {
  const { mode, success, workflowId, runId, workflowType, fromSeq, toSeq, end, usd } = report;
  const perSecond = Math.round((report.events / Math.max(report.ms, 0.001)) * 1000);
  const rows: [string, string][] = [
    ['replay', `${mode}: ${success ? 'ok' : 'DIVERGED'}`],
    ['workflow', `${workflowId} (${workflowType})`],
    ['run id', runId],
    ...(report.codeHash === undefined ? [] : [['code', `bundle ${report.codeHash.slice(0, 12)}`] as [string, string]]),
    ['seqs', `${fromSeq} to ${toSeq}, ${ends[end]}`],
    ['replayed', `${report.events} events, ${report.patches} patches, ${report.activities} activity results`],
    ['state hash', hashText(report)],
    ['took', `${Math.round(report.ms)} ms (${perSecond} events/s)${usd > 0 ? `, $${usd.toFixed(2)}` : ''}`],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n');
}

function hashText({ end, stateHash, expectedHash }: ReplayReport): string {
  if (end === 'stopped') return 'not compared, because the replay stopped';
  const hash = stateHash ?? 'no context document';
  return expectedHash === null || expectedHash === stateHash ? hash : `${hash} (expected ${expectedHash})`;
}

function stateText({ toSeq, state }: ReplayReport): string {
  if (state === undefined) return '';
  const text = jsonText(state, 2);
  const lines = text.split('\n').length;
  if (lines <= stateLinesMax) return `context at seq ${toSeq}:\n${text}`;
  return `The context at seq ${toSeq} has ${lines} lines; --output writes it to a file, --json prints it.`;
}

function callsText(title: string, calls: readonly ReplayCall[]): string {
  if (calls.length === 0) return '';
  const rows = calls.map(({ seq, type, name, id, place, isApproximate }) => [
    seq === undefined ? null : String(seq),
    type,
    name,
    id,
    place ?? null,
    isApproximate === true ? '~' : null,
  ]);
  return `${title}:\n${formatTable(['seq', 'command', 'name', 'id', 'issued at', ''], rows, new Set([0]))}`;
}

function approximateText({ missing, extra }: ReplayReport): string {
  const isApproximate = [...missing, ...extra].some((call) => call.isApproximate === true);
  return isApproximate
    ? '~ approximate: behind the first divergence the record answers other code, so commands are matched by their ids, names and arguments.'
    : '';
}

function mockedText(mocked: readonly MockedCall[]): string {
  return mocked
    .map(({ mock, seqs }) =>
      seqs.length === 0
        ? `mock ${mock}: no result has this name; use an activity type, type#n or an activity id`
        : `mock ${mock}: replaced the result${seqs.length === 1 ? '' : 's'} with seq ${seqs.join(', ')}`,
    )
    .join('\n');
}
