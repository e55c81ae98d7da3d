// What a run of the pipeline looks like from outside: its failure, its path and its state.
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError, type WorkflowHandle } from 'reprise/client';
import { ActivityFailure } from 'reprise/common';

export interface Failed {
  readonly runId: string;
  readonly status: string;
  /** The stage that failed, and why. */
  readonly stage: string;
  readonly message: string;
  /** The stages that the run began, in order. */
  readonly path: readonly string[];
  /** The context document at the end of the run. */
  readonly state: unknown;
}

/** Waits for the run to fail. */
export async function untilFailed(handle: WorkflowHandle): Promise<Failed> {
  const failure = await failureOf(handle);
  const { status, runId } = await handle.describe();
  const history = await handle.history();
  return {
    runId,
    status: status.name.toLowerCase(),
    stage: failure.activityType,
    message: failure.cause?.message ?? '',
    path: history.flatMap(({ type, name }) => (type === 'ActivityScheduled' ? [name ?? ''] : [])),
    state: (await handle.stateAt()).state,
  };
}

/** Waits until the context says that the stage is done. */
export async function untilDone(handle: WorkflowHandle, stage: string): Promise<void> {
  while (stageIn((await handle.stateAt()).state) !== stage) await sleep(20);
}

export function stageIn(state: unknown): string | undefined {
  return (state as { stage?: string } | undefined)?.stage;
}

async function failureOf(handle: WorkflowHandle): Promise<ActivityFailure> {
  try {
    await handle.result();
  } catch (error) {
    if (error instanceof WorkflowFailedError && error.cause instanceof ActivityFailure) return error.cause;
    throw error;
  }
  throw new Error('The run completed, expected a failure.');
}
