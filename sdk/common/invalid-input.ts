// Turns errors of pure core code about a user's values into the errors that clients throw.
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';

/** Runs `work` and turns an error of the Temporal SDK into one of ours. @throws RuntimeError INVALID_INPUT */
export function asInvalidInput<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    throw new RuntimeError('INVALID_INPUT', `${(cause as Error).message}.`, { cause });
  }
}
