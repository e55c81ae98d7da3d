// Where the retry of a failed run begins: at the end of the turn before the one that received the failure which closed
// the run. Pure.
import { decodeFailureInfo, type FailureInfo } from '../failure/failure-info.ts';
import { RuntimeError } from '../failure/runtime-error.ts';
import type { ScheduledMeta } from '../log/activation.ts';
import type { EventType, HistoryEvent } from '../log/event.ts';
import { effectsIn } from './effects.ts';

export interface FailurePoint {
  /** Seq of the event that brought the failure into the run. */
  readonly end: number;
  /** Seq of the activity or child that failed. */
  readonly failed: number;
  readonly isActivity: boolean;
}

const activityEnds: ReadonlySet<EventType> = new Set<EventType>(['ActivityFailed', 'ActivityTimedOut']);
const childEnds: ReadonlySet<EventType> = new Set<EventType>([
  'ChildWorkflowFailed',
  'ChildWorkflowTimedOut',
  'ChildWorkflowTerminated',
  'ChildWorkflowCancelled',
]);

/**
 * `log`: the whole history of a closed run. `isForced`: repeat what the run did after the failure. Errors name the verb.
 * @throws NOTHING_TO_RETRY, EFFECTS_AFTER
 */
export function failurePoint(
  runId: string,
  log: readonly HistoryEvent[],
  { verb, isForced }: { readonly verb: 'retry' | 'skip'; readonly isForced: boolean },
): FailurePoint {
  const closing = log.findLast(({ type }) => type === 'WorkflowFailed');
  const failure = closing?.payload ? decodeFailureInfo(closing.payload) : undefined;
  const end = failure === undefined ? undefined : endOf(failure, log);
  if (end === undefined) {
    throw new RuntimeError(
      'NOTHING_TO_RETRY',
      `Run ${runId} was not closed by the failure of an activity${verb === 'retry' ? ' or a child' : ''}, so there is nothing to ${verb}. ` +
        'Use reset to go on from an earlier point.',
      { runId },
    );
  }
  const later = log.filter(({ seq }) => seq > end.seq);
  const effects = effectsIn(later);
  if (effects.length > 0 && !isForced) {
    const list = effects.map(({ kind, name, seq }) => `${kind} ${name} (event ${seq})`).join(', ');
    throw new RuntimeError(
      'EFFECTS_AFTER',
      `Run ${runId} went on after the failure that closed it, and a ${verb} would repeat what it did then: ${list}. ` +
        'Pass force to repeat it, or use reset with a later point. Nothing was written.',
      { runId },
    );
  }
  return { end: end.seq, failed: end.answers!, isActivity: activityEnds.has(end.type) };
}

/** The event that brought the failure into the run: the last one that the chain of causes names. */
function endOf(failure: FailureInfo, log: readonly HistoryEvent[]): HistoryEvent | undefined {
  for (let info: FailureInfo | undefined = failure; info !== undefined; info = info.cause) {
    const named = info;
    if (named.kind === 'activity') {
      const scheduled = new Set(
        log.filter((event) => isCall(event, named.activityType, named.activityId)).map(({ seq }) => seq),
      );
      const end = log.findLast(({ type, answers }) => activityEnds.has(type) && scheduled.has(answers ?? 0));
      if (end !== undefined) return end;
    } else if (named.kind === 'child') {
      const started = new Set(
        log
          .filter((event) => event.type === 'ChildWorkflowInitiated' && event.correlationId === named.workflowId)
          .map(({ seq }) => seq),
      );
      const end = log.findLast(({ type, answers }) => childEnds.has(type) && started.has(answers ?? 0));
      if (end !== undefined) return end;
    } else {
      const end = localEnd(named, log);
      if (end !== undefined) return end;
    }
  }
  return undefined;
}

/** Workflow code gets the failure of a local activity as it is, so nothing names the activity. */
function localEnd(failure: FailureInfo, log: readonly HistoryEvent[]): HistoryEvent | undefined {
  const isLocal = ({ type, meta }: HistoryEvent): boolean =>
    type === 'ActivityScheduled' && (JSON.parse(meta ?? '{}') as ScheduledMeta).local === true;
  const local = new Set(log.filter(isLocal).map(({ seq }) => seq));
  if (local.size === 0) return undefined;
  const text = JSON.stringify(failure);
  return log.findLast(({ type, answers, payload }) => {
    if (!activityEnds.has(type) || payload === null || !local.has(answers ?? 0)) return false;
    return JSON.stringify(decodeFailureInfo(payload)) === text;
  });
}

function isCall({ type, name, meta }: HistoryEvent, activityType: string, activityId: string | undefined): boolean {
  if (type !== 'ActivityScheduled' || name !== activityType) return false;
  return activityId === undefined || (JSON.parse(meta ?? '{}') as { id?: string }).id === activityId;
}
