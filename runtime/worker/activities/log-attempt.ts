// Log lines for operators about activities: failed attempts, progress that was not stored, unknown effects.
import type { Logger } from 'pino';
import { ApplicationFailure, ApplicationFailureCategory } from '../../core/failure/failure.ts';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import type { RunState } from '../../core/run/run-state.ts';

interface LoggedAttempt {
  readonly run: Pick<RunState, 'workflowId' | 'runId'>;
  readonly activity: { readonly type: string };
}

function namesOf({ run, activity }: LoggedAttempt): Record<string, unknown> {
  return { workflowId: run.workflowId, runId: run.runId, activityType: activity.type };
}

function textOf(error: unknown): string {
  return thrownMessage(error).slice(0, 1_000);
}

export function logAttempt(
  logger: Logger,
  failed: LoggedAttempt,
  error: unknown,
  facts: Record<string, unknown>,
): void {
  // Whoever threw a BENIGN error says that nobody needs to look into it.
  const isBenign = error instanceof ApplicationFailure && error.category === ApplicationFailureCategory.BENIGN;
  const level = isBenign ? 'debug' : 'warn';
  logger[level]({ ...namesOf(failed), ...facts, error: textOf(error) }, 'activity attempt failed');
}

/** The attempt continues, unless the caller cancels it because of this error. */
export function logUnstoredHeartbeat(logger: Logger, attempt: LoggedAttempt, error: unknown): void {
  logger.warn({ ...namesOf(attempt), error: textOf(error) }, 'what an activity reported could not be stored');
}

export function logUnknownEffect(
  logger: Logger,
  attempt: LoggedAttempt & { activity: { readonly seq: number } },
): void {
  logger.warn(
    { ...namesOf(attempt), seq: attempt.activity.seq },
    'unsafe activity was lost with its worker: its effect is unknown, it is not repeated',
  );
}
