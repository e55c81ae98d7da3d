// `AsyncLocalStorage` of workflow code: the host's class. Its instances are disabled when their run is evicted.
import { maybeCurrentRun } from '../run/current-run.ts';
import type { FlowStorage, FlowStorageConstructor } from '../run/host-hooks.ts';

export type AsyncLocalStorage<T> = FlowStorage<T>;
export let AsyncLocalStorage: FlowStorageConstructor;

/** Call once per vm context. */
export function installAsyncLocalStorage(Storage: FlowStorageConstructor): void {
  AsyncLocalStorage = class extends Storage<unknown> {
    constructor() {
      super();
      maybeCurrentRun()?.onDispose(this);
    }
  } as FlowStorageConstructor;
}
