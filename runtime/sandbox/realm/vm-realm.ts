// Opens a vm context and evaluates a bundle in it. The context has its own microtask queue, which drains when a script
// evaluated in the context ends, and only then. An activation evaluates an empty script to drain the queue. The context
// protects against accidents, not malice: workflow code is trusted like the rest of the process.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { constants, createContext, Script } from 'node:vm';
import type { ActivatesChange } from '../../activator/determinism/versions.ts';
import { thrownText } from '../../activator/run/task-failure.ts';
import type { FailureErrorTypes } from '../../core/failure/failure-types.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { WorkflowBundle } from '../bundle/bundle.ts';
import type { boot, Realm, WorkflowCode } from '../inside/boot.ts';
import type { HostAssert, HostRealm } from '../inside/host-realm.ts';
import { debuggedSource } from '../stacks/debugged-source.ts';
import { guardName } from '../bundle/loop-guard.ts';

export interface OpenRealm {
  readonly realm: Realm;
  /** Name of the user's code in stacks. */
  readonly fileName: string;
  /** Runs microtasks of the context until none is left. */
  drain(): void;
}

interface SharedExports {
  readonly start: ReturnType<typeof boot>;
}
type SharedCode = (module: { exports: SharedExports }, host: HostRealm) => void;

const drainScript = new Script('0', { filename: 'reprise-drain.js' });

/** A function around `code` that keeps its line numbers. */
function wrap(parameters: readonly string[], code: string, filename: string): Script {
  return new Script(`(function (${parameters.join(', ')}) {\n${code}\n})`, { filename, lineOffset: -1 });
}

export interface RealmOptions {
  readonly deadlockTimeoutMs: number;
  readonly isActivityRegistered?: ((type: string) => boolean) | undefined;
  readonly activatesChange?: ActivatesChange | undefined;
  readonly failureErrorTypes?: FailureErrorTypes | undefined;
  /** Set to debug: the folder of the sources, which the script then names with a source map. */
  readonly sourceFolder?: string | undefined;
}

function hostRealm({ deadlockTimeoutMs, isActivityRegistered, activatesChange }: RealmOptions): HostRealm {
  return {
    AsyncLocalStorage,
    TextEncoder,
    TextDecoder,
    URL,
    URLSearchParams,
    assert: assert as unknown as HostAssert,
    now: () => performance.now(),
    deadlockTimeoutMs,
    isActivityRegistered,
    activatesChange,
  };
}

/** @throws BUNDLE_FAILED when a shared module throws */
export function openRealm(bundle: WorkflowBundle, options: RealmOptions): OpenRealm {
  const context = createContext(constants.DONT_CONTEXTIFY, {
    microtaskMode: 'afterEvaluate',
    // Code from strings would have no guards.
    codeGeneration: { strings: false, wasm: false },
  });
  const build = bundle.hash.slice(0, 8);
  const evaluateShared = wrap(['module', '__repriseHost'], bundle.shared, `reprise-shared-${build}.js`).runInContext(
    context,
  ) as SharedCode;
  const module = { exports: {} as SharedExports };
  try {
    evaluateShared(module, hostRealm(options));
  } catch (error) {
    throw new RuntimeError(
      'BUNDLE_FAILED',
      `The shared modules of workflow bundle ${bundle.hash} cannot be evaluated: ${thrownText(error)}. Preloaded modules ` +
        'run once, outside of any workflow, with the globals of workflow code.',
      { cause: error },
    );
  }
  const fileName = `reprise-workflows-${build}.js`;
  const parameters = ['module', 'exports', 'require', 'globalThis', guardName];
  const { sourceFolder } = options;
  const script =
    sourceFolder === undefined
      ? wrap(parameters, bundle.code, fileName)
      : new Script(debuggedSource(parameters, bundle, sourceFolder), { filename: fileName });
  const code = script.runInContext(context) as WorkflowCode;
  const realm = module.exports.start(code, options.failureErrorTypes);
  const drain = (): void => {
    drainScript.runInContext(context);
  };
  drain();
  return { realm, fileName, drain };
}
