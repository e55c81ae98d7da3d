// When a failed workflow task is tried again: at once for nobody, later and later for code that stays broken.
import { backOffMs } from './back-off.ts';

export const taskRetryMsMax = 60_000;

/** How long a workflow task that failed so many times in a row waits for its next try. */
export function taskRetryDelayMs(failures: number): number {
  return backOffMs(failures, { firstMs: 1_000, maxMs: taskRetryMsMax });
}
