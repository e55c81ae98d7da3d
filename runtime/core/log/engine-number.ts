// The engine number: the version of the replay rules. A run's first event holds it. It grows when new runs must be
// replayed differently.
import type { TaskFailure } from './activation.ts';

/**
 * The number of runs that this version starts, and the highest it can replay. 2: the context's update() records
 * inserted values in their final state, and records the value that the update returned.
 */
export const engineNumber = 2;

/** Why this version cannot replay a run that a newer one started; undefined when it can. */
export function engineFault({
  engine,
  workflowId,
}: {
  readonly engine?: number | undefined;
  readonly workflowId?: string;
}): TaskFailure | undefined {
  if (engine === undefined || engine <= engineNumber) return undefined;
  return {
    code: 'UNSUPPORTED_ENGINE',
    message:
      `Workflow ${workflowId ?? ''} was started by a newer version of reprise: its engine number is ${engine}, but this worker ` +
      `supports at most ${engineNumber}. The run is left to other workers. Upgrade this worker's package, or stop this worker.`,
  };
}
