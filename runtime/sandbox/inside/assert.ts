// `assert` for workflow code: Node's strict mode with errors of this realm. The functions that await a promise are
// reimplemented, since a promise of the host would settle outside of any activation.
import { adoptError, host } from './host-realm.ts';

type Assertion = (...args: unknown[]) => unknown;

/** The fields of Node's AssertionError beside the message. */
interface AssertionDetails {
  readonly actual?: unknown;
  readonly expected?: unknown;
  readonly operator?: string;
}

class AssertionError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'AssertionError', writable: true, configurable: true });
  }
  readonly code = 'ERR_ASSERTION';
  constructor(details: AssertionDetails & { readonly message?: string }) {
    super(details.message);
    const { actual, expected, operator } = details;
    Object.assign(this, { actual, expected, operator });
  }
}

function adoptAssertion(thrown: unknown): unknown {
  const adopted = adoptError(thrown);
  if (adopted === thrown) return thrown;
  const { code, message, ...details } = adopted as Error & AssertionDetails & { code?: string };
  return code === 'ERR_ASSERTION' ? new AssertionError({ ...details, message }) : adopted;
}

function wrap(assertion: Assertion): Assertion {
  return (...args) => {
    try {
      return assertion(...args);
    } catch (error) {
      throw adoptAssertion(error);
    }
  };
}

const hostAssert = host.assert;
const wrapped: Record<string, Assertion> = {};
for (const [name, member] of Object.entries(hostAssert)) {
  if (typeof member === 'function' && /^[a-z]/.test(name)) wrapped[name] = wrap(member as Assertion);
}

/** Without a message, Node would read the caller's source file to create one. */
function ok(...args: [value?: unknown, message?: string | Error]): void {
  const [value, message = 'The expression evaluated to a falsy value'] = args;
  wrapped['equal']!(Boolean(value), true, message);
}

/** The error that the promise rejects with, boxed; undefined when it does not reject. */
async function rejectionOf(promise: unknown): Promise<{ readonly error: unknown } | undefined> {
  try {
    await (typeof promise === 'function' ? promise() : promise);
    return undefined;
  } catch (error) {
    return { error };
  }
}

async function rejects(promise: unknown, ...expected: unknown[]): Promise<void> {
  const rejection = await rejectionOf(promise);
  wrapped['throws']!(
    () => {
      if (rejection !== undefined) throw rejection.error;
    },
    ...expected,
  );
}

async function doesNotReject(promise: unknown, ...expected: unknown[]): Promise<void> {
  const rejection = await rejectionOf(promise);
  wrapped['doesNotThrow']!(
    () => {
      if (rejection !== undefined) throw rejection.error;
    },
    ...expected,
  );
}

/** Serves both as the `module.exports` of node:assert, which is a function, and as its ES module namespace. */
export const assertModule: typeof ok = Object.assign((...args: Parameters<typeof ok>) => ok(...args), wrapped, {
  ok,
  rejects,
  doesNotReject,
  AssertionError,
});
Object.assign(assertModule, { strict: assertModule, default: assertModule });
Object.defineProperty(assertModule, '__esModule', { value: true });
