// What operators read: what workflow code logged and why its task failed (only after the turn is durable), and failed
// attempts of activities.
import type { Logger } from 'pino';
import { ApplicationFailure, ApplicationFailureCategory } from '../history/failure.ts';
import { thrownMessage } from '../history/thrown-message.ts';
import type { ActivityEntry } from './activity-entry.ts';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn.ts';

export function logTurn(logger: Logger, run: LiveRun, built: BuiltTurn): void {
  const { runId, workflowId } = run;
  if (built.failure !== undefined) logger.warn({ runId, workflowId, ...built.failure }, 'workflow task failed');
  for (const line of built.logs) logger[line.level]({ runId, workflowId, ...line.attributes }, line.message);
}

export function logAttempt(
  logger: Logger,
  {
    run,
    activity,
  }: { readonly run: Pick<LiveRun, 'workflowId' | 'runId'>; readonly activity: { readonly type: string } },
  error: unknown,
  facts: Record<string, unknown>,
): void {
  const where = { workflowId: run.workflowId, runId: run.runId, activityType: activity.type };
  // What its author calls benign is nobody's business to look at.
  const isBenign = error instanceof ApplicationFailure && error.category === ApplicationFailureCategory.BENIGN;
  logger[isBenign ? 'debug' : 'warn'](
    { ...where, ...facts, error: thrownMessage(error).slice(0, 1_000) },
    'activity attempt failed',
  );
}

export function logUnknownEffect(logger: Logger, { run, activity }: ActivityEntry): void {
  logger.warn(
    { workflowId: run.workflowId, runId: run.runId, activityType: activity.type, seq: activity.seq },
    'unsafe activity was lost with its worker: its effect is unknown, it is not repeated',
  );
}
