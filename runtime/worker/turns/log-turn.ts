// What operators read of turns: what workflow code logged, and why a workflow task failed. Only after the turn is durable.
import type { Logger } from 'pino';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn-builder.ts';

export function logTurn(logger: Logger, run: LiveRun, built: BuiltTurn): void {
  const { runId, workflowId } = run.state;
  if (built.failure !== undefined) logger.warn({ runId, workflowId, ...built.failure }, 'workflow task failed');
  for (const line of built.logs) logger[line.level]({ runId, workflowId, ...line.attributes }, line.message);
}
