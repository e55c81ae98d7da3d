// The columns of a table that say which patch wrote a value. The run is shown only when several runs took part.
import type { Authorship } from '../../../sdk/client.ts';
import type { Cell } from '../table.ts';

export function authorColumns(all: readonly Authorship[]): string[] {
  return [...(isOfOneRun(all) ? [] : ['run']), 'seq', 'at', 'who', 'confidence', 'why'];
}

export function authorCells(entry: Authorship, all: readonly Authorship[]): Cell[] {
  const { runId, seq, at, source, sourceId, confidence, reason } = entry;
  return [
    ...(isOfOneRun(all) ? [] : [runId]),
    String(seq),
    at.toISOString(),
    [source, sourceId].filter((part) => part !== null).join(' '),
    confidence === null ? null : String(confidence),
    reason,
  ];
}

function isOfOneRun(all: readonly Authorship[]): boolean {
  return all.every(({ runId }) => runId === all[0]?.runId);
}
