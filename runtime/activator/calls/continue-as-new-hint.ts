// When a history has become so long that a run should continue as new. Limits and names: Temporal's.
export const SuggestContinueAsNewReason = {
  HISTORY_SIZE_TOO_LARGE: 'HISTORY_SIZE_TOO_LARGE',
  TOO_MANY_HISTORY_EVENTS: 'TOO_MANY_HISTORY_EVENTS',
  TOO_MANY_UPDATES: 'TOO_MANY_UPDATES',
} as const;
export type SuggestContinueAsNewReason = (typeof SuggestContinueAsNewReason)[keyof typeof SuggestContinueAsNewReason];

const eventsMax = 4096;
const bytesMax = 4 * 1024 * 1024;

/** undefined when there is no reason. */
export function continueAsNewReasons(history: {
  readonly historyLength: number;
  readonly historySize: number;
}): SuggestContinueAsNewReason[] | undefined {
  const reasons: SuggestContinueAsNewReason[] = [];
  if (history.historySize >= bytesMax) reasons.push(SuggestContinueAsNewReason.HISTORY_SIZE_TOO_LARGE);
  if (history.historyLength >= eventsMax) reasons.push(SuggestContinueAsNewReason.TOO_MANY_HISTORY_EVENTS);
  return reasons.length === 0 ? undefined : reasons;
}
