// What a bare vm context lacks and the host realm lends. Installed once a context; only AsyncLocalStorage is kept here.
import { IllegalStateError } from '../../core/failure/runtime-error.ts';
import type { ActivatesChange } from '../determinism/versions.ts';
import { maybeCurrentRun } from './current-run.ts';

/** As much of node:async_hooks' AsyncLocalStorage as is safe in workflow code. */
export interface AsyncLocalStorage<T> {
  disable(): void;
  getStore(): T | undefined;
  run<R, Args extends unknown[]>(store: T, callback: (...args: Args) => R, ...args: Args): R;
  exit<R, Args extends unknown[]>(callback: (...args: Args) => R, ...args: Args): R;
  enterWith(store: T): void;
}

export interface AsyncLocalStorageConstructor {
  new <T>(): AsyncLocalStorage<T>;
}

export interface HostHooks {
  readonly AsyncLocalStorage: AsyncLocalStorageConstructor;
  /** Classes of the host realm that become globals of workflow code, under their own names. */
  readonly TextEncoder: unknown;
  readonly TextDecoder: unknown;
  readonly URL: unknown;
  readonly URLSearchParams: unknown;
  /** Whether the worker has an activity of this type; undefined: nobody knows. */
  readonly isActivityRegistered?: ((type: string) => boolean) | undefined;
  readonly activatesChange?: ActivatesChange | undefined;
}

let HostStorage: AsyncLocalStorageConstructor | undefined;

/** The class that workflow code sees: instances that a run makes are disabled when it is disposed. */
export let AsyncLocalStorage: AsyncLocalStorageConstructor;

export function installStorage(Storage: AsyncLocalStorageConstructor): void {
  HostStorage = Storage;
  AsyncLocalStorage = class extends Storage<unknown> {
    constructor() {
      super();
      maybeCurrentRun()?.onDispose(this);
    }
  } as AsyncLocalStorageConstructor;
}

/** A value that travels with a flow of control, through `await`. Shared by all runs; the value belongs to one. */
export class FlowValue<T> {
  #storage: AsyncLocalStorage<T> | undefined;

  get(): T | undefined {
    return this.#storage?.getStore();
  }

  run<R>(value: T, callback: () => R): R {
    this.#storage ??= this.#create();
    return this.#storage.run(value, callback);
  }

  #create(): AsyncLocalStorage<T> {
    if (HostStorage === undefined) {
      throw new IllegalStateError('The activator was used before install() gave it the host hooks.');
    }
    return new HostStorage<T>();
  }
}
