// Names that the engine reserves.
// Source: Temporal (behavior 62 in docs/behaviors.md).
import { enhancedStackTraceQueryName, stackTraceQueryName } from '../run/stack-trace.ts';

const prefixes = ['__temporal_', '__reprise_'];
const names = new Set([stackTraceQueryName, enhancedStackTraceQueryName]);

/** Temporal's error with our code. */
class ReservedNameError extends TypeError {
  readonly code = 'INVALID_INPUT';

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'TypeError' });
  }
}

/** `kind` is the word in the message: query, signal, activity, task queue. @throws TypeError */
export function refuseReservedName(kind: string, name: string): void {
  if (!name.startsWith('__')) return;
  for (const prefix of prefixes) {
    if (name.startsWith(prefix)) {
      throw new ReservedNameError(`Cannot use ${kind} name: '${name}', with reserved prefix: '${prefix}'`);
    }
  }
  if (names.has(name)) throw new ReservedNameError(`Cannot use ${kind} name: '${name}', which is a reserved name`);
}

export function isReservedName(name: string): boolean {
  return name.startsWith('__') && (names.has(name) || prefixes.some((prefix) => name.startsWith(prefix)));
}
