// `AsyncLocalStorage` of workflow code: the host's class, whose instances are disabled when their run leaves memory.
import { maybeCurrentRun } from '../run/current-run.ts';
import type { FlowStorage, FlowStorageConstructor } from '../run/host-hooks.ts';

export type AsyncLocalStorage<T> = FlowStorage<T>;
export let AsyncLocalStorage: FlowStorageConstructor;

/** To be called once a context. */
export function installAsyncLocalStorage(Storage: FlowStorageConstructor): void {
  AsyncLocalStorage = class extends Storage<unknown> {
    constructor() {
      super();
      maybeCurrentRun()?.onDispose(this);
    }
  } as FlowStorageConstructor;
}
