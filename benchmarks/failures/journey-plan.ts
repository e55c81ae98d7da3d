// What a journey consists of, and its state at the end, computed in a plain loop.
import { stageValue } from './stage-value.ts';

export interface JourneyState {
  readonly values: Readonly<Record<string, number>>;
  readonly notes: readonly number[];
  readonly children: readonly number[];
}

/** Activities before the wait, and after the children. */
export const stagesEach = 12;
export const stagesAtOnce = 4;
export const notesAwaited = 5;
export const childStages: readonly number[] = [100, 101];
/** Only the next build of the code has it. */
export const addedStage = 900;

export const stages: readonly number[] = Array.from({ length: 2 * stagesEach }, (_, stage) => stage);

export function journeyEnd(): JourneyState {
  return {
    values: Object.fromEntries(stages.map((stage) => [stage, stageValue(stage)])),
    notes: Array.from({ length: notesAwaited }, (_, i) => i),
    children: childStages.map(stageValue),
  };
}
