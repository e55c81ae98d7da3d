// The behavior number of the engine: it stands in a run's first event, and grows when runs must be replayed differently.
import type { TaskFailure } from './activation.ts';

/**
 * Of runs that this version starts, and the highest that it knows.
 * 2: update() of the context records what was inserted as it is when the update ends, and what the update returned.
 */
export const engineNumber = 2;

/** Why this version cannot work on a run that a newer one started; undefined when it can. */
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
      `Workflow ${workflowId ?? ''} was started by a newer version of reprise: its engine number is ${engine}, this worker ` +
      `knows ${engineNumber} as the highest. It is left to other workers; upgrade the package of this one, or stop it.`,
  };
}
