// The inside of a vm context: sets up globals and shared modules once, freezes them, then makes runs, each with module
// state and a `globalThis` of its own. Everything here is of the context's realm; the host drives it (sandbox.ts).
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

/** The user's bundle: evaluates all its modules and puts what the workflows file exports into `module.exports`. */
export type WorkflowCode = (
  module: { exports: Record<string, unknown> },
  exports: Record<string, unknown>,
  require: Require,
  globalObject: object,
  loopGuard: () => void,
) => void;

/** Module id to what `require` gives, in the three kinds that are frozen differently. */
export interface SharedModules {
  readonly engine: Readonly<Record<string, object>>;
  readonly files: Readonly<Record<string, object>>;
  readonly packages: Readonly<Record<string, object>>;
}

export interface Realm {
  createRun(runId: string): SandboxRun;
  /** To be called before workflow code is entered. */
  enter(): void;
  /** Set when the code that was entered last had to be interrupted. */
  deadlock(): Error | undefined;
  /** What a value that workflow code threw says. */
  describe(thrown: unknown): TaskFailure;
}

/** What is neither deterministic nor harmless: ends outside of any activation, or blocks the process. */
const removedGlobals = ['WebAssembly', 'Atomics', 'SharedArrayBuffer'];

/**
 * Libraries look for names on `globalThis`, and set some: each run has its own, over this view of the frozen one. A bare
 * name is never looked up there.
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

/** What the user's function on the host throws must be an error here. */
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

/** `load` evaluates the shared modules; `code` is the user's. */
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
