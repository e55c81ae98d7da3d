// One job of five stages. The code has no guards against a loss: a stage whose result is in the log is not executed
// again.
import { defineContext, proxyActivities, setWorkflowOptions } from 'reprise/workflow';
import type { Stages } from './activities.ts';
import type { Model } from './model.ts';

const { ingest, clean, features, train, evaluate } = proxyActivities<Stages>({ startToCloseTimeout: '10 minutes' });
const job = defineContext({ penguins: 0, complete: 0 });
const stageCount = 5;

export interface Trained {
  model: Model;
  accuracy: number;
}

export async function fiveStages(): Promise<Trained> {
  const penguins = await ingest();
  job.patch({ op: 'replace', path: '/penguins', value: penguins.length });
  job.progress(1 / stageCount, 'ingest');

  const complete = await clean(penguins);
  job.patch({ op: 'replace', path: '/complete', value: complete.length }, { reason: 'records with all measures' });
  job.progress(2 / stageCount, 'clean');

  const samples = await features(complete);
  job.progress(3 / stageCount, 'features');

  const model = await train(samples);
  job.progress(4 / stageCount, 'train');

  const accuracy = await evaluate(samples, model);
  job.progress(1, 'evaluate');
  return { model, accuracy };
}

// The progress steps over each mark once, at 0.4, 0.6 and 0.8.
setWorkflowOptions({ checkpoint: { at: { progress: [0.25, 0.5, 0.75] } } }, fiveStages);
