// After the run, collects what happened: from the log of the run, from the file that the stages wrote, and from the log
// of the worker that hung.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { WorkflowHandle } from 'reprise/client';
import { epochMs, epochs, stageMs } from './activities.ts';
import type { Loss } from './losses.ts';
import { cleaned, improved, split, toSamples, untrained } from './model.ts';
import { readPenguins } from './penguins.ts';
import { readStageLog, type StageLine } from './stage-log.ts';
import type { Trained } from './workflows.ts';

export const stageNames = ['ingest', 'clean', 'features', 'train', 'evaluate'];
const totalMs = (stageNames.length - 1) * stageMs + epochs * epochMs;

export interface StageFindings {
  readonly stage: string;
  /** Times that the code of the stage began, by the file that the stages wrote. */
  readonly executions: number;
  /** Completions in the log of the run. */
  readonly completions: number;
  /** Attempt whose result is in the log. */
  readonly attempt: number;
  /** Progress of the run after the stage, 0 to 1. */
  readonly progress: number;
}

export interface Takeover extends Loss {
  readonly by: string;
  readonly afterMs: number;
  /** What the other worker began with: `starts`, or an epoch. */
  readonly continuesAt: string;
  /** Work of the job that was left then, and that a restart of the job would have had. */
  readonly leftMs: number;
  readonly restartMs: number;
}

export interface Findings {
  readonly workflowId: string;
  readonly stages: readonly StageFindings[];
  readonly takeovers: readonly Takeover[];
  /** Epochs in the order in which they began. */
  readonly epochs: readonly number[];
  readonly zombie: {
    readonly worker: string;
    /** Times that its stage was finished, by the file that the stages wrote. */
    readonly finished: number;
    /** Why the worker gave up, in its own log. */
    readonly message: string | undefined;
  };
  /** Progress at each checkpoint. */
  readonly checkpoints: readonly number[];
  readonly events: number;
  readonly isIntact: boolean;
  readonly accuracy: number;
  /** Whether a loop without losses comes to the same model. */
  readonly sameModel: boolean;
}

export async function examine(
  handle: WorkflowHandle,
  job: { folder: string; result: Trained; losses: readonly Loss[]; logFile: string },
): Promise<Findings> {
  const lines = readStageLog(job.folder);
  const history = await handle.history();
  const zombie = job.losses[0]!;
  const checkpoints = await handle.checkpoints();
  const verification = await handle.verify();
  return {
    workflowId: handle.workflowId,
    stages: stageNames.map((stage) => {
      const completed = history.filter(({ type, answers }) => {
        return type === 'ActivityCompleted' && history.find(({ seq }) => seq === answers)?.name === stage;
      });
      const metas = history.map(({ meta }) => (meta ?? {}) as { ref?: string; progress?: number });
      return {
        stage,
        executions: lines.filter((line) => line.stage === stage && line.what === 'starts').length,
        completions: completed.length,
        attempt: completed[0]?.attempt ?? 1,
        progress: metas.find(({ ref }) => ref === stage)?.progress ?? 0,
      };
    }),
    takeovers: job.losses.map((loss) => takeoverOf(loss, lines)),
    epochs: lines.filter(({ what }) => what.startsWith('epoch')).map(({ what }) => epochIn(what)),
    zombie: {
      worker: zombie.worker,
      finished: lines.filter(({ stage, what }) => stage === zombie.stage && what === 'ends').length,
      message: await reasonIn(job.logFile),
    },
    checkpoints: checkpoints.map(({ progress }) => progress ?? 0).sort(),
    events: history.length,
    isIntact: verification.ok,
    accuracy: job.result.accuracy,
    sameModel: isDeepStrictEqual(job.result.model, trainedWithoutLoss()),
  };
}

function takeoverOf(loss: Loss, lines: readonly StageLine[]): Takeover {
  const after = lines.filter(
    ({ stage, worker, at }) => stage === loss.stage && worker !== loss.worker && at >= loss.at,
  );
  const [begins, first = begins] = after;
  if (begins === undefined || first === undefined) throw new Error(`Nobody took over from ${loss.worker}.`);
  const isTraining = first.what.startsWith('epoch');
  const doneMs = stageNames.indexOf(loss.stage) * stageMs + (isTraining ? epochIn(first.what) - 1 : 0) * epochMs;
  return {
    ...loss,
    by: begins.worker,
    afterMs: begins.at - loss.at,
    continuesAt: isTraining ? first.what : begins.what,
    leftMs: totalMs - doneMs,
    restartMs: totalMs,
  };
}

function epochIn(what: string): number {
  return Number(what.slice('epoch '.length));
}

/** The line with which a worker says that it begins anew. It may take a moment to be written. */
async function reasonIn(logFile: string): Promise<string | undefined> {
  for (let look = 0; look < 500; look++) {
    for (const line of readFileSync(logFile, 'utf8').split('\n')) {
      if (line.includes('worker begins anew')) return (JSON.parse(line) as { err: { message: string } }).err.message;
    }
    await sleep(20);
  }
  return undefined;
}

function trainedWithoutLoss() {
  const { training } = split(toSamples(cleaned(readPenguins())));
  let model = untrained();
  for (let epoch = 1; epoch <= epochs; epoch++) model = improved(model, training);
  return model;
}
