// The run whose code is executing now. This is the one module-level variable of the activator: workflow code calls
// free functions (`sleep`, `condition`), also from preloaded modules that all runs of a vm context share, and nothing
// but the engine knows which run that is. It is exact, because one run at a time is entered and its microtasks drain
// before the next one is.
import { RuntimeError } from '../history/runtime-error.ts';
import type { Run } from './run.ts';

let current: Run | undefined;

export function enterRun(run: Run | undefined): void {
  current = run;
}

export function maybeCurrentRun(): Run | undefined {
  return current;
}

/** @throws ILLEGAL_STATE outside workflow code; `caller` is the public name that was called. */
export function currentRun(caller: string): Run {
  if (current === undefined) {
    throw new RuntimeError(
      'ILLEGAL_STATE',
      `Workflow.${caller}(...) may only be used from workflow code, and no run is active here. ` +
        'Call it inside a workflow function or a handler that it registers.',
    );
  }
  return current;
}

export function inWorkflowContext(): boolean {
  return current !== undefined;
}
