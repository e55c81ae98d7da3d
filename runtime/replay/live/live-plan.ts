// Plans a replay with live activities: where it forks, what it may do, and what it may cost. Writes nothing.
import { randomUUID } from 'node:crypto';
import { type GivenResult, GivenResults } from '../../core/live-replay/replay-policy.ts';
import { replayIdPrefix } from '../../core/recovery/replay-plan.ts';
import type { HistorySource } from '../../core/log/history-source.ts';
import type { ForkRequest } from '../../core/recovery/fork-plan.ts';
import { encodedMocks } from '../replay-options.ts';
import { checkLiveOptions, liveChoice, type LiveReplayOptions } from './live-options.ts';
import { OriginOutline } from './origin-outline.ts';

/** What a replay may cost, from what the recorded calls have cost. */
export interface LiveEstimate {
  /** The last event that the replay has in common with the run. */
  readonly point: number;
  /**
   * Number of recorded calls that would be entered again. When the record answers first, it is not known which calls are
   * entered: then the most that is possible.
   */
  readonly calls: number;
  readonly usd: number;
  readonly isAtMost: boolean;
}

export interface LivePlan {
  readonly request: ForkRequest;
  readonly estimate: LiveEstimate;
  readonly results: readonly GivenResult[];
  readonly sample: number;
}

/** @throws INVALID_INPUT, NOT_SUPPORTED */
export async function planLive(
  source: HistorySource,
  options: LiveReplayOptions,
  requestId: string = randomUUID(),
): Promise<LivePlan> {
  checkLiveOptions(options);
  const { from, realTime, allowEffects, sample = 1 } = options;
  const { live, recordFirst } = liveChoice(options);
  const results = await encodedMocks({ ...options.mocks, ...options.results });
  const outline = await OriginOutline.of(source);
  outline.assertNoChildren(live);
  const point = from === undefined ? outline.beforeResults(results) : outline.before(from);
  const policy = {
    origin: source.runId,
    head: source.head,
    live,
    ...(recordFirst ? { recordFirst: true as const } : {}),
    ...(sample < 1 ? { sample } : {}),
    ...(realTime === true ? { realTime: true as const } : {}),
    ...(allowEffects === undefined ? {} : { allowEffects }),
  };
  const request: ForkRequest = {
    ...{ requestId, verb: 'replay', runId: source.runId, point, reason: null, actor: null, reapplies: false },
    workflowId: replayIdPrefix + requestId,
    replay: { policy, results },
  };
  return { request, estimate: estimateOf(outline, { point, live, recordFirst, sample, results }), results, sample };
}

function estimateOf(
  outline: OriginOutline,
  {
    point,
    live,
    recordFirst,
    sample,
    results,
  }: Pick<LiveEstimate, 'point'> & {
    readonly live: readonly string[];
    readonly recordFirst: boolean;
    readonly sample: number;
    readonly results: readonly GivenResult[];
  },
): LiveEstimate {
  const given = new GivenResults(results);
  const entered = outline.calls.filter(({ name, id, end, isHarmless }) => {
    const isGiven = given.find(name, id) !== undefined;
    return !isGiven && (end ?? outline.head) > point && (live.includes(name) || isHarmless);
  });
  return {
    point,
    calls: Math.round(entered.length * sample),
    usd: entered.reduce((sum, { usd }) => sum + usd, 0) * sample,
    isAtMost: recordFirst,
  };
}
