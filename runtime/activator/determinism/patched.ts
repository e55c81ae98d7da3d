// `patched` and `deprecatePatch` of workflow code. Source: Temporal (spec/sdk.md behavior 57).
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
 * Whether this run takes the code behind a change: true in runs that come to it for the first time, false in those that
 * had passed this place before the change. Decided once for each id and run, and kept in the log.
 */
export function patched(id: string): boolean {
  return mark('patched', id, false);
}

/** In place of `patched` when no run is left that takes the old code; to be removed when none is left that has the marker. */
export function deprecatePatch(id: string): void {
  mark('deprecatePatch', id, true);
}
