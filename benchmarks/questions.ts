// All questions, and their selection by the command line.
import type { Question } from './question.ts';
import { question as cachedStates } from './cached-states.bench.ts';
import { question as checkpointCost } from './checkpoint-cost.bench.ts';
import { question as codeReplay } from './code-replay.bench.ts';
import { question as damagedCheckpoints } from './damaged-checkpoints.bench.ts';
import { question as disposableWorkers } from './failures/disposable-workers.bench.ts';
import { question as eventualCompletion } from './failures/eventual-completion.bench.ts';
import { question as caseStudy } from './failures/case-study.bench.ts';
import { question as redTeam } from './failures/red-team.bench.ts';
import { question as speedUp } from './failures/speed-up.bench.ts';
import { question as stagedPipeline } from './failures/staged-pipeline.bench.ts';
import { question as overheadStages } from './overhead-stages.bench.ts';
import { question as overheadSteps } from './overhead-steps.bench.ts';
import { question as manyKills } from './failures/many-kills.bench.ts';
import { question as overheadShortSteps } from './overhead-short-steps.bench.ts';
import { question as fanOut } from './fan-out.bench.ts';
import { question as heldSnapshot } from './held-snapshot.bench.ts';
import { question as liveReplay } from './live/live-replay.bench.ts';
import { question as longRun } from './long-run.bench.ts';
import { question as manySequential } from './many-sequential.bench.ts';
import { question as moreWorkers } from './more-workers.bench.ts';
import { question as patchReplay } from './patch-replay.bench.ts';
import { question as patchReplayCached } from './patch-replay-cached.bench.ts';
import { question as recovery } from './recovery.bench.ts';
import { question as sequential } from './sequential.bench.ts';
import { question as shortWorkflows } from './short-workflows.bench.ts';
import { question as signals } from './signals.bench.ts';
import { question as sleepingRuns } from './sleeping-runs.bench.ts';
import { question as startToResult } from './start-to-result.bench.ts';
import { question as takeoverHung } from './takeover-hung.bench.ts';
import { question as takeoverKilled } from './takeover-killed.bench.ts';
import { UsageError } from './usage.ts';
import { question as zodContext } from './zod-context.bench.ts';

export const questions: readonly Question[] = [
  shortWorkflows,
  zodContext,
  sequential,
  manySequential,
  startToResult,
  recovery,
  fanOut,
  sleepingRuns,
  signals,
  longRun,
  moreWorkers,
  heldSnapshot,
  takeoverKilled,
  takeoverHung,
  codeReplay,
  patchReplay,
  patchReplayCached,
  liveReplay,
  cachedStates,
  checkpointCost,
  damagedCheckpoints,
  overheadStages,
  overheadSteps,
  overheadShortSteps,
  speedUp,
  stagedPipeline,
  manyKills,
  disposableWorkers,
  redTeam,
  eventualCompletion,
  caseStudy,
];

/** Questions by a comma-separated list of ids. @throws UsageError for an unknown id */
export function questionsOf(ids: string): Question[] {
  return ids.split(',').map((id) => {
    const found = questions.find((question) => question.id.toLowerCase() === id.trim().toLowerCase());
    if (found !== undefined) return found;
    throw new UsageError(`There is no question "${id}". There are ${questions.map((each) => each.id).join(', ')}.`);
  });
}
