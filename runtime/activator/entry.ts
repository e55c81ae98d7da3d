// What the host calls in the sandbox's shared bundle: `install` once per vm context, then `createRun` per run.
import type { FailureErrorTypes } from '../core/failure/failure-types.ts';
import { Run } from './run/run.ts';
import type { SandboxRun } from './run/sandbox-run.ts';

export { install } from './globals/globals.ts';
export type { HostHooks } from './run/host-hooks.ts';
export type { SandboxRun } from './run/sandbox-run.ts';

/**
 * `load` evaluates the user's code for this run only and returns its exports; called in the first activation.
 * `failureTypes`: errors that fail the run instead of its task.
 */
export function createRun(
  runId: string,
  load: () => Record<string, unknown>,
  failureTypes?: FailureErrorTypes,
): SandboxRun {
  return new Run(runId, load, failureTypes);
}
