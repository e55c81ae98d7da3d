// Plans a replay fork: its first turn, which says what the fork may do. Nothing is carried over from the origin, because
// the fork reads the origin's record. Pure.
import { replayEngineNumber } from '../log/engine-number.ts';
import { lineUpTo, wholeLine } from '../log/line.ts';
import { newEvent } from '../log/new-event.ts';
import { decodePayload, encodePayload } from '../payload/payload.ts';
import type { ForkGround, ForkPlan } from './fork-plan.ts';
import type { ForkedMeta } from '../run/forked-meta.ts';
import { type AskedReplay, type GivenResult, liveMark, type ReplayPolicy } from '../live-replay/replay-policy.ts';
import type { ScheduledMeta } from '../log/activation.ts';

/** Prefix of the queues of replay forks, which only workers that know replay forks poll. */
export const replayQueuePrefix = '~';
/** Workflow ids of replay forks begin with this. */
export const replayIdPrefix = 'replay:';

export function planReplay({ request, forkId, origin, earlier }: ForkGround, asked: AskedReplay): ForkPlan {
  const { workflowId, point, requestId, reason, actor } = request;
  const line = lineUpTo(wholeLine(origin), point);
  const meta: ForkedMeta = {
    ...{ runId: forkId, origin: request.runId },
    line,
    engine: replayEngineNumber,
    // Only what the engine does follows these: the code keeps the identity of the origin.
    start: { ...earlier, ...(workflowId === undefined ? {} : { workflowId }), parent: null, root: null },
    replay: asked.policy,
  };
  const forked = newEvent(point + 1, 'WorkflowForked', {
    name: 'replay',
    reason,
    source: reason === null ? null : 'user',
    sourceId: actor,
    correlationId: requestId,
    payload: asked.results.length === 0 ? null : encodePayload(asked.results),
    meta: JSON.stringify(meta),
  });
  return { line, forked, applied: [], carried: [], again: [], begun: [] };
}

/** `payload`: of the fork's WorkflowForked. */
export function readGivenResults(payload: Uint8Array | null): readonly GivenResult[] {
  return payload === null ? [] : (decodePayload(payload) as GivenResult[]);
}

/** The options of a call that is entered. Its key is that of the replay, so that no key of the origin is used again. */
export function enteredOptions(
  options: ScheduledMeta,
  { runId, seq, type }: { readonly runId: string; readonly seq: number; readonly type: string },
  policy: ReplayPolicy,
): ScheduledMeta {
  return { ...options, key: `${runId}:${seq}`, replay: liveMark(policy, type) };
}
