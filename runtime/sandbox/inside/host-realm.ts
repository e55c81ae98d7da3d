// What the host provides to the vm context: a parameter of the function that wraps the shared bundle. Objects of the
// host are wrapped before user code sees them, except classes whose instances belong to the run (URLSearchParams,
// AsyncLocalStorage).
import type { HostHooks } from '../../activator/entry.ts';

export interface HostRealm {
  readonly AsyncLocalStorage: HostHooks['AsyncLocalStorage'];
  readonly TextEncoder: typeof globalThis.TextEncoder;
  readonly TextDecoder: typeof globalThis.TextDecoder;
  readonly URL: typeof globalThis.URL;
  readonly URLSearchParams: typeof globalThis.URLSearchParams;
  readonly assert: HostAssert;
  /** Monotonic, ms. Only for the guard against endless loops. */
  readonly now: () => number;
  /** An activation that computes for longer is interrupted, ms. */
  readonly deadlockTimeoutMs: number;
  readonly isActivityRegistered: HostHooks['isActivityRegistered'];
  readonly activatesChange: HostHooks['activatesChange'];
}

/** node:assert/strict. */
export type HostAssert = ((value: unknown, message?: string | Error) => void) & Readonly<Record<string, unknown>>;

declare const __repriseHost: HostRealm;

export const host: HostRealm = __repriseHost;

const errorClasses: ReadonlyMap<string, ErrorConstructor> = new Map(
  [TypeError, RangeError, SyntaxError].map((errorClass) => [errorClass.name, errorClass]),
);

/**
 * Converts an error of the host to one of this realm, so that `instanceof Error` holds. Returns other values unchanged.
 */
export function adoptError(thrown: unknown): unknown {
  if (!(thrown instanceof Object) && typeof thrown === 'object' && thrown !== null && 'message' in thrown) {
    const { name, message, ...rest } = thrown as Error;
    const ErrorClass = errorClasses.get(name) ?? Error;
    return Object.assign(new ErrorClass(message), rest);
  }
  return thrown;
}
