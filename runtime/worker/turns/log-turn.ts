// What operators read: what workflow code logged and why its task failed (only after the turn is durable), and failed
// attempts of activities.
import type { Logger } from 'pino';
import { ApplicationFailure, ApplicationFailureCategory } from '../../core/failure/failure.ts';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import type { RunState } from '../../core/run/run-state.ts';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn.ts';

export function logTurn(logger: Logger, run: LiveRun, built: BuiltTurn): void {
  const { runId, workflowId } = run.state;
  if (built.failure !== undefined) logger.warn({ runId, workflowId, ...built.failure }, 'workflow task failed');
  for (const line of built.logs) logger[line.level]({ runId, workflowId, ...line.attributes }, line.message);
}

interface Attempt {
  readonly run: Pick<RunState, 'workflowId' | 'runId'>;
  readonly activity: { readonly type: string };
}

function placeOf({ run, activity }: Attempt): Record<string, unknown> {
  return { workflowId: run.workflowId, runId: run.runId, activityType: activity.type };
}

function textOf(error: unknown): string {
  return thrownMessage(error).slice(0, 1_000);
}

export function logAttempt(logger: Logger, failed: Attempt, error: unknown, facts: Record<string, unknown>): void {
  // What its author calls benign is nobody's business to look at.
  const isBenign = error instanceof ApplicationFailure && error.category === ApplicationFailureCategory.BENIGN;
  const level = isBenign ? 'debug' : 'warn';
  logger[level]({ ...placeOf(failed), ...facts, error: textOf(error) }, 'activity attempt failed');
}

/** The attempt goes on, unless it heeds that it is cancelled for this. */
export function logUnstoredHeartbeat(logger: Logger, attempt: Attempt, error: unknown): void {
  logger.warn({ ...placeOf(attempt), error: textOf(error) }, 'what an activity reported could not be stored');
}

export function logUnknownEffect(logger: Logger, attempt: Attempt & { activity: { readonly seq: number } }): void {
  logger.warn(
    { ...placeOf(attempt), seq: attempt.activity.seq },
    'unsafe activity was lost with its worker: its effect is unknown, it is not repeated',
  );
}
