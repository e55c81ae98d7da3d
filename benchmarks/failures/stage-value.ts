// What the activity of a stage returns, and the state that a run has after its stages.

export interface Progress {
  done: number;
  sum: number;
}

export function stageValue(stage: number): number {
  return (stage * stage) % 97;
}

/** Computed in a plain loop. */
export function progressAfter(stages: number): Progress {
  const progress = { done: stages, sum: 0 };
  for (let stage = 0; stage < stages; stage++) progress.sum += stageValue(stage);
  return progress;
}
