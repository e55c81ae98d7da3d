// `console` in workflow code: lines of the workflow's log.
import type { LogLine } from '../history/activation.ts';
import { isError } from '../history/failure.ts';
import { maybeCurrentRun } from './current-run.ts';
import { writeLog } from './log.ts';
import { thrownText } from './task-failure.ts';

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
