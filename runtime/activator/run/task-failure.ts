// Why workflow code could not go on, as it is shown to people. Reads thrown values that may be anything.
import type { TaskFailure } from '../../core/log/activation.ts';
import { isError } from '../../core/failure/failure.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';

/** A property or text of a thrown value; a getter or toString that throws is a value like any other. */
function attempt(read: () => unknown): string {
  try {
    const value = read();
    return typeof value === 'string' ? value : String(value);
  } catch (error) {
    return `[unreadable: reading it threw a ${typeof error}]`;
  }
}

/** The text of a thrown value, never throwing itself. */
export function thrownText(thrown: unknown): string {
  if (!isError(thrown)) return attempt(() => thrown);
  const message = attempt(() => thrown.message);
  const name = attempt(() => thrown.name);
  if (name === 'Error') return message;
  return message === '' ? name : `${name}: ${message}`;
}

/** What an error that does not fail the run does to it: its task fails. */
export function taskFailureOf(thrown: unknown): TaskFailure {
  const code = thrown instanceof RuntimeError ? thrown.code : 'WORKFLOW_ERROR';
  const message = thrownText(thrown);
  return isError(thrown) ? { code, message, stack: attempt(() => thrown.stack) } : { code, message };
}
