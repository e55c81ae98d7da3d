// `patched` and `deprecatePatch` of workflow code.
// Source: Temporal (behavior 57 in docs/behaviors.md).
import { IllegalStateError } from '../../core/failure/runtime-error.ts';
import { currentRun } from '../run/current-run.ts';

function mark(caller: string, id: string, deprecated: boolean): boolean {
  const run = currentRun(caller);
  if (!run.isLoaded) throw new IllegalStateError('Patches cannot be used before Workflow starts');
  if (typeof id !== 'string' || id === '') {
    throw new TypeError(`${caller} needs the id of the change, got ${typeof id === 'string' ? 'no text' : typeof id}`);
  }
  return run.versions.mark(id, deprecated, run);
}

/**
 * Whether this run takes the new code of a change. True in runs that reach this call for the first time, false in runs
 * that passed this point of the code before the change. Decided once per id and run, and recorded in the log.
 */
export function patched(id: string): boolean {
  return mark('patched', id, false);
}

/** Replaces `patched` when no open run takes the old code. Remove the call when no open run has the marker. */
export function deprecatePatch(id: string): void {
  mark('deprecatePatch', id, true);
}
