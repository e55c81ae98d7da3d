// `console` in workflow code writes to the workflow's log.
import type { LogLine } from '../../core/log/activation.ts';
import { isError } from '../../core/failure/failure.ts';
import { maybeCurrentRun } from '../run/current-run.ts';
import { writeLog } from '../run/log.ts';
import { thrownText } from '../run/task-failure.ts';

function format(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    if (isError(value)) return String(value.stack ?? value);
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
  } catch (thrown) {
    return `[unprintable: ${thrownText(thrown)}]`;
  }
}

function printer(level: LogLine['level']): (...args: unknown[]) => void {
  return (...args) => {
    const run = maybeCurrentRun();
    if (run?.turn.isLogging === true) writeLog(run, level, args.map(format).join(' '));
  };
}

export const workflowConsole: Readonly<Record<string, (...args: unknown[]) => void>> = {
  log: printer('info'),
  info: printer('info'),
  debug: printer('debug'),
  trace: printer('trace'),
  warn: printer('warn'),
  error: printer('error'),
};
