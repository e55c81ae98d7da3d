// Workflows of the questions that lose workers.
import { defineContext, proxyActivities, setWorkflowOptions } from 'reprise/workflow';
import type * as activities from './activities.ts';
import type { Progress } from './stage-value.ts';

const { work, longWork } = proxyActivities<typeof activities>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: 1, backoffCoefficient: 1 },
});

const progress = defineContext<Progress>({ done: 0, sum: 0 });

/** One stage after the other. */
export async function staged(durations: readonly number[], failures: activities.Failures): Promise<Progress> {
  for (const [stage, ms] of durations.entries()) {
    const value = await work(stage, ms, failures[stage] ?? null);
    const { done, sum } = progress.state;
    progress.patch(
      [
        { op: 'replace', path: '/done', value: done + 1 },
        { op: 'replace', path: '/sum', value: sum + value },
      ],
      { source: 'tool', sourceId: 'work', reason: `stage ${stage}` },
    );
  }
  return { ...progress.state };
}

/** As `staged`, and saves a checkpoint after each stage. */
export async function stagedSavingEach(durations: readonly number[], failures: activities.Failures): Promise<Progress> {
  return staged(durations, failures);
}
setWorkflowOptions({ checkpoint: { every: { patches: 1 } } }, stagedSavingEach);

/** As `staged`, and saves no checkpoint. */
export async function stagedSavingNone(durations: readonly number[], failures: activities.Failures): Promise<Progress> {
  return staged(durations, failures);
}
setWorkflowOptions({ checkpoint: 'off' }, stagedSavingNone);

/** One activity that takes long and reports how far it is. */
export async function longStage(slices: number, ms: number): Promise<number> {
  return longWork(slices, ms);
}
