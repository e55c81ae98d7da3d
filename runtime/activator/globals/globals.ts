// The globals of workflow code. Replaces what differs between machines or moments, and adds harmless globals that a
// bare vm context lacks. Omits setInterval, fetch and process, which have no durable meaning.
import { DeterminismViolationError } from '../../core/failure/runtime-error.ts';
import { AbortController, AbortSignal } from './abort.ts';
import { workflowConsole } from './console.ts';
import { createDate, createTemporalNow, type TemporalNamespace } from './deterministic-date.ts';
import { installFlowStorage } from '../run/flow-value.ts';
import type { HostHooks } from '../run/host-hooks.ts';
import { currentRun } from '../run/current-run.ts';
import { Random } from '../determinism/random.ts';
import { flowRandom, uuid4 } from '../determinism/random-streams.ts';
import { installActivation } from '../determinism/versions.ts';
import { installRegistered } from '../calls/activities.ts';
import { installAsyncLocalStorage } from './async-local-storage.ts';

interface Globals {
  Math: Math;
  Date: DateConstructor;
  Temporal?: TemporalNamespace;
}

/** A class that depends on garbage collection. Its constructor throws a determinism error. */
function collectorDependent(name: string): unknown {
  return class {
    constructor() {
      throw new DeterminismViolationError(
        `${name} cannot be used in workflow code, because garbage collection is not deterministic. ` +
          'Keep an ordinary reference instead.',
      );
    }
  };
}

/** At least 1 ms. A delay that is not a number means 1 ms, as in browsers. */
function setTimeout(callback: (...args: unknown[]) => unknown, delay?: number, ...args: unknown[]): number {
  const run = currentRun('setTimeout');
  if (typeof callback !== 'function') {
    throw new TypeError(`The callback of setTimeout must be a function. Got: '${typeof callback}'`);
  }
  const ms = Number(delay);
  return run.timeouts.set(() => callback(...args), ms >= 1 ? ms : 1);
}

function clearTimeout(id?: number): void {
  if (id !== undefined) currentRun('clearTimeout').timeouts.clear(id);
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });
}

/** `global` is the vm context's global object. Call once per vm context, before any run is created. */
export function install(global: object, hooks: HostHooks): void {
  installFlowStorage(hooks.AsyncLocalStorage);
  installAsyncLocalStorage(hooks.AsyncLocalStorage);
  installRegistered(hooks.isActivityRegistered);
  installActivation(hooks.activatesChange);
  const { Math: math, Temporal: temporal } = global as Globals;
  const WorkflowDate = createDate();
  define(global, 'Date', WorkflowDate);
  define(WorkflowDate.prototype, 'constructor', WorkflowDate);
  // While no run is active, a library that all runs share is loading, and must get the same numbers on every machine.
  const loading = new Random('0'.repeat(32));
  define(math, 'random', () => (flowRandom() ?? loading).next());
  if (temporal !== undefined) define(temporal, 'Now', createTemporalNow(temporal));
  define(global, 'setTimeout', setTimeout);
  define(global, 'clearTimeout', clearTimeout);
  define(global, 'console', workflowConsole);
  define(global, 'crypto', { randomUUID: uuid4 });
  define(global, 'AbortController', AbortController);
  define(global, 'AbortSignal', AbortSignal);
  for (const name of ['WeakRef', 'FinalizationRegistry']) define(global, name, collectorDependent(name));
  const { TextEncoder, TextDecoder, URL, URLSearchParams } = hooks;
  for (const [name, value] of Object.entries({ TextEncoder, TextDecoder, URL, URLSearchParams })) {
    define(global, name, value);
  }
}
