// A value that follows a flow of control through `await`: the engine's own use of the host's AsyncLocalStorage.
import { IllegalStateError } from '../../core/failure/runtime-error.ts';
import type { FlowStorage, FlowStorageConstructor } from './host-hooks.ts';

let Storage: FlowStorageConstructor | undefined;

/** Call once per vm context. */
export function installFlowStorage(constructor: FlowStorageConstructor): void {
  Storage = constructor;
}

/** All runs of a vm context share one such object. A value that a run sets is visible in that run only. */
export class FlowValue<T> {
  #storage: FlowStorage<T> | undefined;

  get(): T | undefined {
    return this.#storage?.getStore();
  }

  run<R>(value: T, callback: () => R): R {
    this.#storage ??= this.#create();
    return this.#storage.run(value, callback);
  }

  #create(): FlowStorage<T> {
    if (Storage === undefined) {
      throw new IllegalStateError('The activator was used before install() gave it the host hooks.');
    }
    return new Storage<T>();
  }
}
