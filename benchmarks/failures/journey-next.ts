// The next build of the journey: runs that have not come so far yet do one more stage.
import { patched, proxyActivities, setWorkflowOptions } from 'reprise/workflow';
import type * as activities from './activities.ts';
import * as earlier from './journey.ts';
import { addedStage, type JourneyState } from './journey-plan.ts';

const { work } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });

export { idle, journeyChild } from './journey.ts';

export async function journey(): Promise<JourneyState> {
  return earlier.journey(async () => {
    if (patched('added stage')) await work(addedStage, 1, null);
  });
}
setWorkflowOptions({ checkpoint: { every: { patches: 1 } } }, journey);
