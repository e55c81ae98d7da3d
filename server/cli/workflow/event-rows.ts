// The events of a run as rows of a table: what each one did, to what it belongs, and who caused it.
import type { ForkedMeta } from '../../../runtime/core/run/forked-meta.ts';
import type { PatchMeta } from '../../../runtime/core/context/patch-meta.ts';
import type { HistoryRecord, WorkflowHandle } from '../../../sdk/client.ts';
import { jsonText } from '../json-view.ts';
import { formatTable } from '../table.ts';
import { failureChain, failureLine } from './failure-text.ts';

const detailWidth = 100;
/** Names of answered events further back than this are not read. */
const farthest = 1_000;

const failed = /(?:Failed|TimedOut|Cancelled)$/;

/** The shown events and those that they answer, by seq. `isWide`: also others before them. */
export async function answeredEvents(
  handle: WorkflowHandle,
  events: readonly HistoryRecord[],
  { first, isWide }: { readonly first: number; readonly isWide: boolean },
): Promise<ReadonlyMap<number, HistoryRecord>> {
  const answered = events.flatMap(({ answers }) => (answers !== null && answers < first ? [answers] : []));
  const from = Math.max(1, first - farthest, isWide ? 1 : Math.min(first, ...answered));
  const before = from < first ? await handle.history({ after: from - 1, upTo: first - 1 }) : [];
  return new Map([...before, ...events].map((event) => [event.seq, event]));
}

export function eventsText(
  events: readonly HistoryRecord[],
  bySeq: ReadonlyMap<number, HistoryRecord>,
  isFull: boolean,
): string {
  const rows = events.map((event) => [
    String(event.seq),
    event.at.toISOString(),
    event.type,
    event.name ?? (event.answers === null ? null : (bySeq.get(event.answers)?.name ?? null)),
    event.answers === null ? null : String(event.answers),
    event.attempt === null ? null : String(event.attempt),
    detailOf(event, isFull),
  ]);
  return formatTable(['seq', 'at', 'event', 'name', 'answers', 'attempt', 'detail'], rows, new Set([0, 4, 5]));
}

function detailOf(event: HistoryRecord, isFull: boolean): string {
  const who = [event.source, event.sourceId].filter((part) => part !== null).join(' ');
  const parts = [who, event.reason, whatOf(event)].filter((part) => part !== null && part !== '');
  const text = parts.join(' · ').replaceAll('\n', isFull ? '\\n' : ' ');
  return isFull || text.length <= detailWidth ? text : `${text.slice(0, detailWidth - 1)}…`;
}

function whatOf({ type, seq, ops, payload, meta }: HistoryRecord): string | null {
  if (type === 'WorkflowForked') return `from run ${(meta as ForkedMeta).origin} at event ${seq - 1}`;
  if (type === 'ContextPatched') return patchText(ops, meta ?? {});
  if (payload === null) return null;
  const chain = failed.test(type) ? failureChain(payload) : undefined;
  return chain === undefined ? jsonText(payload) : chain.map(failureLine).join(', caused by ');
}

function patchText(ops: unknown, { progress, ref }: PatchMeta): string {
  const text = progress === undefined ? '' : `progress ${progress}${ref === undefined ? '' : ` ${ref}`}`;
  const hasOps = Array.isArray(ops) && ops.length > 0;
  return [text, hasOps || text === '' ? jsonText(ops) : ''].filter((part) => part !== '').join(' ');
}
