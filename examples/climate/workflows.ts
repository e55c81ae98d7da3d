// The pipeline: three stages, a person who reviews, and a report. It may wait for the review for 30 days, in which no
// process needs to run.
import {
  ApplicationFailure,
  condition,
  defineContext,
  defineSignal,
  proxyActivities,
  setHandler,
} from 'reprise/workflow';
import type * as activities from './activities.ts';

export interface Review {
  reviewer: string;
}

const { ingest, preprocess, analyze, report } = proxyActivities<typeof activities>({
  startToCloseTimeout: '10 minutes',
  // The first failure of a stage fails the run, and a person decides.
  retry: { maximumAttempts: 1 },
});
const pipeline = defineContext({ stage: '', temperatures: 0, years: 0, per100ppm: 0 });
export const reviewed = defineSignal<[Review]>('review');

export async function climatePipeline(): Promise<string> {
  let review: Review | undefined;
  setHandler(reviewed, (given) => {
    review = given;
  });

  const measurements = await ingest();
  pipeline.update((draft) => {
    draft.stage = 'ingest';
    draft.temperatures = measurements.temperatures.length;
  });
  const years = await preprocess(measurements);
  pipeline.update((draft) => {
    draft.stage = 'preprocess';
    draft.years = years.length;
  });
  const analysis = await analyze(years);
  pipeline.update((draft) => {
    draft.stage = 'analyze';
    draft.per100ppm = analysis.per100ppm;
  });

  if (!(await condition(() => review !== undefined, '30 days'))) {
    throw ApplicationFailure.nonRetryable('nobody reviewed the analysis within 30 days', 'NotReviewed');
  }
  return report(analysis, review!.reviewer);
}
