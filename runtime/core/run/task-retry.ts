// When a failed workflow task is tried again: at once for nobody, later and later for code that stays broken.
const firstMs = 1_000;

export const taskRetryMsMax = 60_000;

/** How long a workflow task that failed so many times in a row waits for its next try. */
export function taskRetryDelayMs(failures: number): number {
  return Math.min(firstMs * 2 ** Math.min(failures - 1, 16), taskRetryMsMax);
}
