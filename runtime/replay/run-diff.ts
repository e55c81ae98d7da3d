// Compares two runs: what each did and received, where they first differ, how they ended, and their contexts. Reads
// each log once, as a stream; runs no code and writes nothing.
import { alignItems, type Difference, type PairVerdict } from '../core/compare/align-items.ts';
import { type ItemKind, type RunItem, RunItems } from '../core/compare/run-items.ts';
import { applyAll, asItIs, holderOf } from '../core/json/json-patch.ts';
import type { Json } from '../core/json/json.ts';
import type { Op } from '../core/json/operation.ts';
import type { HistoryEvent } from '../core/log/event.ts';
import type { HistorySource } from '../core/log/history-source.ts';
import { closesRun, type RunStatus } from '../core/log/transition.ts';
import { decodePayload } from '../core/payload/payload.ts';
import { sha256 } from '../store/codec/sha256.ts';
import { stateDiff } from './context/context-diff.ts';

export interface ComparedRun {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly status: RunStatus;
  /** Seq of the last event. */
  readonly events: number;
  /** Result or failure; undefined while the run is open, or when its closing event holds none. */
  readonly outcome: unknown;
}

/** One side of an item: where it stands in the run's log, and what went in and came out. */
export type ComparedItem = Omit<RunItem, 'kind' | 'name' | 'id'>;

export interface RunDiffItem {
  readonly verdict: PairVerdict;
  /** What differs; empty unless the verdict is `differs`. */
  readonly differences: readonly Difference[];
  readonly kind: ItemKind;
  readonly name: string;
  readonly id: string | undefined;
  /** Undefined when the first run does not have the item. */
  readonly a: ComparedItem | undefined;
  /** Undefined when the second run does not have the item. */
  readonly b: ComparedItem | undefined;
}

export interface DivergentValues {
  readonly input: unknown;
  readonly result: unknown;
}

export interface RunDiff {
  readonly a: ComparedRun;
  readonly b: ComparedRun;
  /** True when arguments, items, outcome and context are the same. */
  readonly isSame: boolean;
  readonly sameType: boolean;
  readonly sameArguments: boolean;
  /** Status, and result or failure. */
  readonly sameOutcome: boolean;
  readonly counts: Readonly<Record<PairVerdict, number>>;
  /** In the order of the first run; an extra item follows the one that it follows in the second run. */
  readonly items: readonly RunDiffItem[];
  /** The first item that is not the same: its place in `items`, and the values of both sides. */
  readonly firstDivergence:
    | { readonly index: number; readonly a: DivergentValues | undefined; readonly b: DivergentValues | undefined }
    | undefined;
  /** Operations that turn the last context of the first run into that of the second, with old values in `prev`. */
  readonly context: readonly Op[];
}

export async function runDiff(a: HistorySource, b: HistorySource): Promise<RunDiff> {
  const [left, right] = [await readRun(a), await readRun(b)];
  const items = alignItems(left.items, right.items).map(({ verdict, differences, a: one, b: other }): RunDiffItem => {
    const { kind, name, id } = (one ?? other)!;
    return { verdict, differences, kind, name, id, a: side(one), b: side(other) };
  });
  const counts: Record<PairVerdict, number> = { same: 0, differs: 0, missing: 0, extra: 0 };
  for (const { verdict } of items) counts[verdict]++;
  const sameType = a.workflowType === b.workflowType;
  const sameArguments = left.args === right.args;
  const sameOutcome = left.run.status === right.run.status && left.outcome === right.outcome;
  const context = stateDiff(left.context, right.context);
  const isSame = sameType && sameArguments && sameOutcome && counts.same === items.length && context.length === 0;
  const firstDivergence = await divergence(items, a, b);
  return {
    a: left.run,
    b: right.run,
    isSame,
    sameType,
    sameArguments,
    sameOutcome,
    counts,
    items,
    firstDivergence,
    context,
  };
}

interface ReadRun {
  readonly run: ComparedRun;
  readonly items: readonly RunItem[];
  /** Digests. */
  readonly args: string;
  readonly outcome: string;
  readonly context: Json | undefined;
}

async function readRun(source: HistorySource): Promise<ReadRun> {
  const folded = new RunItems(sha256);
  const document = holderOf(null);
  let hasContext = false;
  let first: HistoryEvent | undefined;
  let closing: HistoryEvent | undefined;
  for await (const page of source.pages({ arguments: 'digest' })) {
    for (const event of page) {
      first ??= event;
      folded.take(event);
      if (closesRun(event.type)) closing = event;
      if (event.type !== 'ContextPatched') continue;
      applyAll(document, JSON.parse(event.ops ?? '[]') as Op[], asItIs);
      hasContext = true;
    }
  }
  const { workflowId, runId, workflowType, status, head } = source;
  const outcome = closing === undefined ? undefined : valueOf(closing);
  return {
    run: { workflowId, runId, workflowType, status, events: head, outcome },
    items: folded.items,
    args: folded.digestOf(first),
    outcome: JSON.stringify([closing?.type, folded.digestOf(closing), closing?.reason]),
    context: hasContext ? document[''] : undefined,
  };
}

function side(item: RunItem | undefined): ComparedItem | undefined {
  if (item === undefined) return undefined;
  const { kind: _, name: _2, id: _3, ...rest } = item;
  return rest;
}

async function divergence(
  items: readonly RunDiffItem[],
  a: HistorySource,
  b: HistorySource,
): Promise<RunDiff['firstDivergence']> {
  const index = items.findIndex(({ verdict }) => verdict !== 'same');
  const item = items[index];
  return item === undefined ? undefined : { index, a: await valuesOf(a, item.a), b: await valuesOf(b, item.b) };
}

async function valuesOf(source: HistorySource, item: ComparedItem | undefined): Promise<DivergentValues | undefined> {
  if (item === undefined) return undefined;
  const valueAt = async (seq: number | undefined): Promise<unknown> => {
    if (seq === undefined) return undefined;
    for await (const [event] of source.pages({ after: seq - 1, upTo: seq, arguments: 'whole' })) {
      if (event !== undefined) return valueOf(event);
    }
    return undefined;
  };
  return { input: await valueAt(item.seq), result: await valueAt(item.endSeq) };
}

function valueOf({ payload }: HistoryEvent): unknown {
  return payload === null ? undefined : decodePayload(payload);
}
