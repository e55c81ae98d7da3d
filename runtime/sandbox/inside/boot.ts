// The inside of a vm context: sets up globals and shared modules once, freezes them, then creates runs, each with its
// own module state and `globalThis`. Everything here belongs to the context's realm. The host drives it (sandbox.ts).
import { createRun, install, type SandboxRun } from '../../activator/entry.ts';
import type { ActivatesChange } from '../../activator/determinism/versions.ts';
import { taskFailureOf } from '../../activator/run/task-failure.ts';
import type { TaskFailure } from '../../core/log/activation.ts';
import type { FailureErrorTypes } from '../../core/failure/failure-types.ts';
import { assertModule } from './assert.ts';
import { encodingGlobals } from './encoding.ts';
import { freezeRealm } from './freeze.ts';
import { deadlockError, guard, resetGuard } from './guard.ts';
import { adoptError, host } from './host-realm.ts';

type Require = (id: string) => unknown;

/** The user's bundle: evaluates all its modules and assigns the exports of the workflows file to `module.exports`. */
export type WorkflowCode = (
  module: { exports: Record<string, unknown> },
  exports: Record<string, unknown>,
  require: Require,
  globalObject: object,
  loopGuard: () => void,
) => void;

/** Module id to the result of `require`, in the three groups that are frozen differently. */
export interface SharedModules {
  readonly engine: Readonly<Record<string, object>>;
  readonly files: Readonly<Record<string, object>>;
  readonly packages: Readonly<Record<string, object>>;
}

export interface Realm {
  createRun(runId: string): SandboxRun;
  /** Call before entering workflow code. */
  enter(): void;
  /** Set when the last entered code had to be interrupted. */
  deadlock(): Error | undefined;
  /** The task failure for a value that workflow code threw. */
  describe(thrown: unknown): TaskFailure;
}

/** Globals that are neither deterministic nor harmless: they settle outside of any activation, or block the process. */
const removedGlobals = ['WebAssembly', 'Atomics', 'SharedArrayBuffer'];

/**
 * Libraries read and set names on `globalThis`. Each run has its own object over this view of the frozen one. Bare
 * names are never looked up on that object.
 */
function createGlobalView(): object {
  const view = {};
  for (const name of Reflect.ownKeys(globalThis)) {
    const value: unknown = Reflect.get(globalThis, name);
    Object.defineProperty(view, name, {
      get(this: object) {
        return name === 'globalThis' ? this : value;
      },
      set(this: object, own: unknown) {
        Object.defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true });
      },
    });
  }
  return Object.freeze(view);
}

/** A namespace with plain properties in place of the bundler's getters. */
function plainNamespace(module: object): object {
  if (typeof module === 'function' || !('__esModule' in module)) return module;
  return Object.defineProperty({ ...module }, '__esModule', { value: true });
}

function namespaces(modules: Readonly<Record<string, object>>): Map<string, object> {
  return new Map(Object.entries(modules).map(([id, module]) => [id, plainNamespace(module)]));
}

/** The user's function runs on the host. An error that it throws must become an error of this realm. */
function activation(): ActivatesChange | undefined {
  const { activatesChange } = host;
  if (activatesChange === undefined) return undefined;
  return (info, id) => {
    try {
      return activatesChange(info, id);
    } catch (error) {
      throw adoptError(error);
    }
  };
}

/** `load` evaluates the shared modules. `code` is the user's bundle. */
export function boot(
  load: () => SharedModules,
): (code: WorkflowCode, failureTypes: FailureErrorTypes | undefined) => Realm {
  const { AsyncLocalStorage, isActivityRegistered } = host;
  install(globalThis, { ...encodingGlobals, AsyncLocalStorage, isActivityRegistered, activatesChange: activation() });
  for (const name of removedGlobals) Reflect.deleteProperty(globalThis, name);
  const builtins = Object.values(Object.getOwnPropertyDescriptors(globalThis)).map(({ value }) => value as unknown);
  const shared = load();
  const engine = namespaces({ ...shared.engine, assert: assertModule });
  const files = namespaces(shared.files);
  const packages = namespaces(shared.packages);
  freezeRealm({ builtins, engine: engine.values(), files: files.values(), packages: packages.values() });
  const modules = new Map([...packages, ...files, ...engine]);
  const view = createGlobalView();

  const requireShared: Require = (id) => {
    if (!modules.has(id)) throw new Error(`Cannot require '${id}': it is not in the workflow bundle`);
    return modules.get(id);
  };

  return (code, failureTypes) => ({
    createRun(runId) {
      const load = (): Record<string, unknown> => {
        const module = { exports: {} };
        code(module, module.exports, requireShared, Object.create(view) as object, guard);
        return module.exports;
      };
      return createRun(runId, load, failureTypes);
    },
    enter: resetGuard,
    deadlock: deadlockError,
    describe: taskFailureOf,
  });
}
