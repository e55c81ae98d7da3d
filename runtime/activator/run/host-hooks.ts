// What the host realm provides to a bare vm context. Types only; `globals/` installs them.
import type { ActivatesChange } from '../determinism/versions.ts';

/** The part of node:async_hooks' AsyncLocalStorage that is safe in workflow code. */
export interface FlowStorage<T> {
  disable(): void;
  getStore(): T | undefined;
  run<R, Args extends unknown[]>(store: T, callback: (...args: Args) => R, ...args: Args): R;
  exit<R, Args extends unknown[]>(callback: (...args: Args) => R, ...args: Args): R;
  enterWith(store: T): void;
}

export interface FlowStorageConstructor {
  new <T>(): FlowStorage<T>;
}

export interface HostHooks {
  readonly AsyncLocalStorage: FlowStorageConstructor;
  /** Classes of the host realm that become globals of workflow code, under their own names. */
  readonly TextEncoder: unknown;
  readonly TextDecoder: unknown;
  readonly URL: unknown;
  readonly URLSearchParams: unknown;
  /** True when the worker has an activity of this type. Undefined: the activities are unknown. */
  readonly isActivityRegistered?: ((type: string) => boolean) | undefined;
  readonly activatesChange?: ActivatesChange | undefined;
}
