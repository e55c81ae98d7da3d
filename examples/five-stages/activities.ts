// The five stages. They pass their data on through the log of the run, so that workers need no common disk.
import { setTimeout as sleep } from 'node:timers/promises';
import { activityInfo, heartbeat } from 'reprise/activity';
import {
  accuracyOf,
  cleaned,
  improved,
  type Model,
  type Penguin,
  type Sample,
  split,
  toSamples,
  untrained,
} from './model.ts';
import { readPenguins } from './penguins.ts';
import type { StageLog } from './stage-log.ts';

export const epochs = 10;
/** The epoch in which the program takes the second worker away. */
export const fatalEpoch = 7;

/** A lower bound of the time that a stage takes, and an epoch of the training. */
export const stageMs = 200;
export const epochMs = 100;

interface TrainingProgress {
  /** The epoch that begins, from 1. */
  readonly epoch: number;
  /** The model after the epoch before. */
  readonly model: Model;
}

export type Stages = ReturnType<typeof stages>;

/** The activities of a worker that writes what they do into `log`. */
export function stages(log: StageLog) {
  async function stage<T>(name: string, work: () => Promise<T>): Promise<T> {
    log.write(name, 'starts');
    const result = await work();
    log.write(name, 'ends');
    return result;
  }
  return {
    ingest: (): Promise<Penguin[]> =>
      stage('ingest', async () => {
        await sleep(stageMs);
        return readPenguins();
      }),

    clean: (penguins: Penguin[]): Promise<Penguin[]> =>
      stage('clean', async () => {
        await log.waitForLoss('clean');
        await sleep(stageMs);
        return cleaned(penguins);
      }),

    features: (penguins: Penguin[]): Promise<Sample[]> =>
      stage('features', async () => {
        await sleep(stageMs);
        return toSamples(penguins);
      }),

    /** Continues in the epoch that the last attempt reported. */
    train: (samples: Sample[]): Promise<Model> =>
      stage('train', async () => {
        const reached = activityInfo().heartbeatDetails as TrainingProgress | undefined;
        const { training } = split(samples);
        let model = reached?.model ?? untrained();
        for (let epoch = reached?.epoch ?? 1; epoch <= epochs; epoch++) {
          heartbeat({ epoch, model } satisfies TrainingProgress);
          log.write('train', `epoch ${epoch}`);
          if (epoch === fatalEpoch) await log.waitForLoss('train');
          await sleep(epochMs);
          model = improved(model, training);
        }
        return model;
      }),

    evaluate: (samples: Sample[], model: Model): Promise<number> =>
      stage('evaluate', async () => {
        await sleep(stageMs);
        return accuracyOf(model, split(samples).test);
      }),
  };
}
