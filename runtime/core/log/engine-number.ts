// The engine number: the version of the replay rules. A run's first event records the number. The number grows when new
// runs need different replay rules.
import type { TaskFailure } from './activation.ts';

/**
 * The engine number that this version records in new runs. Since number 2, the context's update() records inserted
 * values in their final state, and the value that the update returned. Since number 3, logs hold patches of people and
 * activities, migrations and checkpoints; an activation applies such patches before all other inputs.
 */
export const engineNumber = 3;

/** The engine number that this version records in forks. Since number 3, a history may begin with rows of other runs. */
export const forkEngineNumber = 3;

/** The engine number of replay forks, and the highest that this version supports: their calls are not all entered. */
export const replayEngineNumber = 4;

/** Why this version cannot replay a run that a newer version started; undefined when it can. */
export function engineFault({
  engine,
  workflowId,
}: {
  readonly engine?: number | undefined;
  readonly workflowId?: string;
}): TaskFailure | undefined {
  if (engine === undefined || engine <= replayEngineNumber) return undefined;
  return {
    code: 'UNSUPPORTED_ENGINE',
    message:
      `Workflow ${workflowId ?? ''} was started by a newer version of reprise: its engine number is ${engine}, but this worker ` +
      `supports at most ${replayEngineNumber}. The run is left to other workers. Upgrade this worker's package, or stop this worker.`,
  };
}
