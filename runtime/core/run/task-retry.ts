// When a failed workflow task is retried: always after a delay, which grows while the code stays broken.
import { backOffMs } from './back-off.ts';

export const taskRetryMsMax = 60_000;

/** How long a workflow task waits for its next try after this many failures in a row, ms. */
export function taskRetryDelayMs(failures: number): number {
  return backOffMs(failures, { firstMs: 1_000, maxMs: taskRetryMsMax });
}
