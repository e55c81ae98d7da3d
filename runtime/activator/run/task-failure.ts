// Why workflow code could not continue, as text for people. Reads thrown values of any kind.
import type { TaskFailure } from '../../core/log/activation.ts';
import { isError } from '../../core/failure/failure.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';

/** A property or text of a thrown value. A getter or toString that throws yields a placeholder. */
function attempt(read: () => unknown): string {
  try {
    const value = read();
    return typeof value === 'string' ? value : String(value);
  } catch (error) {
    return `[unreadable: reading it threw a ${typeof error}]`;
  }
}

/** The text of a thrown value. Never throws. */
export function thrownText(thrown: unknown): string {
  if (!isError(thrown)) return attempt(() => thrown);
  const message = attempt(() => thrown.message);
  const name = attempt(() => thrown.name);
  if (name === 'Error') return message;
  return message === '' ? name : `${name}: ${message}`;
}

/** The task failure for an error that does not fail the run. */
export function taskFailureOf(thrown: unknown): TaskFailure {
  const code = thrown instanceof RuntimeError ? thrown.code : 'WORKFLOW_ERROR';
  const message = thrownText(thrown);
  return isError(thrown) ? { code, message, stack: attempt(() => thrown.stack) } : { code, message };
}
