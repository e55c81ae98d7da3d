// What pure code of the core finds wrong with a user's values, as clients throw it.
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';

/** Errors of the Temporal SDK that `work` throws become ours. @throws RuntimeError INVALID_INPUT */
export function asInvalidInput<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    throw new RuntimeError('INVALID_INPUT', `${(cause as Error).message}.`, { cause });
  }
}
