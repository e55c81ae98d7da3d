// The workflow's log, silent while a recorded turn is replayed. The turn's result carries the lines; the host prints
// them.
import type { LogLine } from '../../core/log/activation.ts';
import { type CurrentRun, currentRun } from './current-run.ts';
import { thrownText } from './task-failure.ts';
import { updateOfFlow } from '../messages/updates.ts';

type Level = LogLine['level'];

/**
 * Replay does not read the attributes. So an error while reading one must not reach workflow code in the original turn
 * either.
 */
function copy(attributes: Record<string, unknown> | undefined): Record<string, unknown> {
  try {
    return { ...attributes };
  } catch (thrown) {
    return { unreadable: thrownText(thrown) };
  }
}

function updateAttributes(): { updateId: string; updateName: string } | undefined {
  const update = updateOfFlow();
  return update === undefined ? undefined : { updateId: update.id, updateName: update.name };
}

export function writeLog(run: CurrentRun, level: Level, message: string, attributes?: Record<string, unknown>): void {
  if (!run.turn.isLogging) return;
  const { workflowId, runId, workflowType, taskQueue, namespace } = run.info;
  run.turn.log({
    level,
    message,
    attributes: { workflowId, runId, workflowType, taskQueue, namespace, ...updateAttributes(), ...copy(attributes) },
  });
}

function writer(level: Level): (message: string, attributes?: Record<string, unknown>) => void {
  return (message, attributes) => writeLog(currentRun('log'), level, message, attributes);
}

export interface WorkflowLogger {
  trace(message: string, attributes?: Record<string, unknown>): void;
  debug(message: string, attributes?: Record<string, unknown>): void;
  info(message: string, attributes?: Record<string, unknown>): void;
  warn(message: string, attributes?: Record<string, unknown>): void;
  error(message: string, attributes?: Record<string, unknown>): void;
}

export const log: WorkflowLogger = {
  trace: writer('trace'),
  debug: writer('debug'),
  info: writer('info'),
  warn: writer('warn'),
  error: writer('error'),
};
