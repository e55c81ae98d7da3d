// What the log holds about an attempt besides its result: duration, worker, usage, and the kind of a timeout.
import type { TimeoutType } from '../failure/failure.ts';

/** What an activity spent, as passed to `recordUsage`. It is stored in `meta` of the activity's completion. */
export interface Usage {
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly costUsd?: number;
}

export const timeoutName: Record<TimeoutType, string> = {
  START_TO_CLOSE: 'StartToClose',
  SCHEDULE_TO_START: 'ScheduleToStart',
  SCHEDULE_TO_CLOSE: 'ScheduleToClose',
  HEARTBEAT: 'Heartbeat',
};

/** JSON text. */
export function attemptMeta(facts: Record<string, unknown>, usage: readonly Usage[] | undefined): string {
  return JSON.stringify(usage === undefined || usage.length === 0 ? facts : { ...facts, ...usageFacts(usage) });
}

/** Normalises recorded usage to strings and numbers. The activity may have passed values of any type. */
export function usageFacts(usage: readonly Usage[] | undefined): { readonly usage?: readonly Usage[] } {
  if (usage === undefined || usage.length === 0) return {};
  const plain = usage.map(({ model, inputTokens, outputTokens, costUsd }) => ({
    ...(model === undefined ? {} : { model: String(model) }),
    ...(inputTokens === undefined ? {} : { inputTokens: Number(inputTokens) }),
    ...(outputTokens === undefined ? {} : { outputTokens: Number(outputTokens) }),
    ...(costUsd === undefined ? {} : { costUsd: Number(costUsd) }),
  }));
  return { usage: plain };
}
