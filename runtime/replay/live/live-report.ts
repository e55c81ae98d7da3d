// The report of a replay with live activities: compares the fork with its origin. Reads both logs; runs no code.
import jsonPatch from 'fast-json-patch';
import type { Json } from '../../core/json/json.ts';
import type { Op } from '../../core/json/operation.ts';
import type { PairVerdict } from '../../core/compare/align-items.ts';
import type { ReplayedMeta, ReplayStop } from '../../core/live-replay/replay-policy.ts';
import { closingTypes } from '../../core/log/event-groups.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { HistorySource } from '../../core/log/history-source.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import { recordedState } from '../context/patch-only.ts';
import type { MockedCall, ReplayCall, ReplayReport } from '../report.ts';
import { type RunDiff, runDiff, type RunDiffItem } from '../run-diff.ts';
import { costOf } from './call-cost.ts';
import type { LiveEstimate, LivePlan } from './live-plan.ts';

/** The calls of one activity type behind the point. */
export interface ActivityMatch extends Readonly<Record<PairVerdict, number>> {
  readonly type: string;
  /** How many of the replay's calls were entered. */
  readonly live: number;
  readonly usd: number;
}

/** One difference of the context documents at the ends of both runs. */
export interface PathDifference {
  readonly path: string;
  /** Undefined: only the replay has the path. */
  readonly recorded: Json | undefined;
  /** Undefined: only the run has the path. */
  readonly replayed: Json | undefined;
}

export interface ReplayOutcome {
  readonly status: RunStatus;
  /** Result or failure. */
  readonly value: unknown;
}

export interface LiveReplayReport extends ReplayReport {
  readonly forkRunId: string;
  readonly forkWorkflowId: string;
  /** Whether the fork is kept from being pruned. */
  readonly isKept: boolean;
  readonly estimate: LiveEstimate;
  /** Share of the live calls that were entered. */
  readonly sample: number;
  /** By activity type. */
  readonly matches: readonly ActivityMatch[];
  /** Share of the entered calls whose result is that of the record; null when none was entered. */
  readonly matchRate: number | null;
  readonly paths: readonly PathDifference[];
  /** How the run ended, and how the replay did. */
  readonly outcome: {
    readonly isSame: boolean;
    readonly recorded: ReplayOutcome;
    readonly replayed: ReplayOutcome;
  };
  /** Why the replay ended before its code did. */
  readonly stop: ReplayStop | undefined;
}

const closing: ReadonlySet<string> = new Set(closingTypes);

/** What the fork's own events say about where its inputs came from. */
class ForkReading {
  /** Seqs of the events that ended entered calls. */
  readonly liveEnds: Set<number> = new Set();
  readonly usdByEnd: Map<number, number> = new Map();
  readonly given: Map<string, number[]> = new Map();
  usd = 0;
  events = 0;
  patches = 0;
  activities = 0;
  stop: ReplayStop | undefined;

  take({ seq, type, meta }: HistoryEvent): void {
    this.events += 1;
    if (type === 'ContextPatched') this.patches += 1;
    if (type === 'WorkflowTerminated') this.stop = (JSON.parse(meta ?? '{}') as { replay?: ReplayStop }).replay;
    const isEnd = closing.has(type);
    if (!isEnd && type !== 'ActivityAttemptFailed') return;
    if (isEnd) this.activities += 1;
    const { from, given } = JSON.parse(meta ?? '{}') as ReplayedMeta;
    if (given !== undefined) this.given.set(given, [...(this.given.get(given) ?? []), seq]);
    if (from !== undefined || given !== undefined) return;
    const usd = costOf(meta);
    this.usd += usd;
    if (!isEnd) return;
    this.usdByEnd.set(seq, usd);
    // A call that the code cancelled before it began was not entered.
    if (type !== 'ActivityCancelled') this.liveEnds.add(seq);
  }
}

export async function liveReport(
  origin: HistorySource,
  fork: HistorySource,
  { plan, ms, isKept }: { readonly plan: LivePlan; readonly ms: number; readonly isKept: boolean },
): Promise<LiveReplayReport> {
  const { point } = plan.estimate;
  const reading = new ForkReading();
  for await (const page of fork.pages({ after: point })) for (const event of page) reading.take(event);
  const diff = await runDiff(origin, fork);
  const items = diff.items.filter(({ a, b }) => (b?.endSeq ?? b?.seq ?? a?.endSeq ?? a?.seq ?? 0) > point);
  const recorded = await recordedState(origin, origin.head);
  const state = await recordedState(fork, fork.head);
  const { runId, workflowId, workflowType } = origin;
  const { stop } = reading;
  return {
    mode: 'LIVE_TOOLS',
    success: stop === undefined || stop.why === 'end-of-log',
    ...{ runId, workflowId, workflowType },
    ...(fork.bundleHash === undefined ? {} : { codeHash: fork.bundleHash }),
    fromSeq: point + 1,
    toSeq: fork.head,
    end: stop === undefined ? 'closed' : stop.why === 'end-of-log' ? 'end-of-log' : 'stopped',
    ...{ events: reading.events, patches: reading.patches, activities: reading.activities },
    divergences: [],
    missing: callsOf(items, 'missing'),
    extra: callsOf(items, 'extra'),
    mocked: mockedOf(plan, reading),
    ...(stop?.why === 'end-of-log' ? { nextCommands: stop.calls.map(waitingCall) } : {}),
    stateHash: state.hash,
    expectedHash: recorded.hash,
    ...(state.state === undefined ? {} : { state: state.state }),
    ms,
    usd: reading.usd,
    ...{ forkRunId: fork.runId, forkWorkflowId: fork.workflowId, isKept },
    ...{ estimate: plan.estimate, sample: plan.sample },
    matches: matchesOf(items, reading),
    matchRate: rateOf(items, reading),
    paths: pathsOf(diff, recorded.state),
    outcome: {
      isSame: diff.sameOutcome,
      recorded: { status: diff.a.status, value: diff.a.outcome },
      replayed: { status: diff.b.status, value: diff.b.outcome },
    },
    stop,
  };
}

const commandOf = {
  activity: 'ActivityScheduled',
  child: 'ChildWorkflowInitiated',
  message: 'ExternalSignalInitiated',
  timer: 'TimerStarted',
  marker: 'VersionMarked',
} as const;

function callsOf(items: readonly RunDiffItem[], verdict: 'missing' | 'extra'): ReplayCall[] {
  return items.flatMap((item): ReplayCall[] => {
    const { kind, name, id = null, a } = item;
    if (item.verdict !== verdict || kind === 'signal' || kind === 'update') return [];
    return [{ type: commandOf[kind], name, id, ...(a === undefined ? {} : { seq: a.seq }) }];
  });
}

function waitingCall({ kind, name, id, seq }: ReplayStop['calls'][number]): ReplayCall {
  return { type: commandOf[kind], name, id, seq };
}

function mockedOf({ results }: LivePlan, { given }: ForkReading): MockedCall[] {
  return results.map(({ key }) => ({ mock: key, seqs: given.get(key) ?? [] }));
}

function isLive({ b }: RunDiffItem, { liveEnds }: ForkReading): boolean {
  return b?.endSeq !== undefined && liveEnds.has(b.endSeq);
}

function matchesOf(items: readonly RunDiffItem[], reading: ForkReading): ActivityMatch[] {
  const byType = Map.groupBy(
    items.filter(({ kind }) => kind === 'activity'),
    ({ name }) => name,
  );
  return Array.from(byType, ([type, calls]) => {
    const count = (verdict: PairVerdict): number => calls.filter((call) => call.verdict === verdict).length;
    return {
      type,
      ...{ same: count('same'), differs: count('differs'), missing: count('missing'), extra: count('extra') },
      live: calls.filter((call) => isLive(call, reading)).length,
      usd: calls.reduce((sum, { b }) => sum + (reading.usdByEnd.get(b?.endSeq ?? 0) ?? 0), 0),
    };
  });
}

function rateOf(items: readonly RunDiffItem[], reading: ForkReading): number | null {
  const live = items.filter((item) => item.kind === 'activity' && isLive(item, reading));
  return live.length === 0 ? null : live.filter(({ verdict }) => verdict === 'same').length / live.length;
}

function pathsOf({ context }: RunDiff, recorded: Json | undefined): PathDifference[] {
  return context.flatMap((op: Op): PathDifference[] => {
    const { path } = op;
    const before = op.op === 'add' ? undefined : valueAt(recorded, path);
    if (op.op === 'add' || op.op === 'replace') return [{ path, recorded: before, replayed: op.value }];
    return op.op === 'remove' ? [{ path, recorded: before, replayed: undefined }] : [];
  });
}

function valueAt(document: Json | undefined, path: string): Json | undefined {
  return document === undefined ? undefined : (jsonPatch.getValueByPointer(document, path) as Json | undefined);
}
