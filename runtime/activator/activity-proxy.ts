// Typed activities for workflow code: an object whose every property is a function that schedules the activity of that
// name. Source: Temporal's proxyActivities (spec/sdk.md 1.1).
import {
  type ActivityOptions,
  type CompiledActivityOptions,
  compileActivityOptions,
  mergeActivityOptions,
} from './activity-options.ts';
import { currentRun } from './current-run.ts';
import { refuseReservedName } from './reserved-name.ts';

export type ActivityFunction = (...args: never[]) => Promise<unknown>;

/** Activities whose types are not known here. */
export type UntypedActivities = Record<string, (...args: unknown[]) => Promise<unknown>>;

export type ActivityFunctionWithOptions<F extends ActivityFunction> = F & {
  /** Calls with other options: `overrides` win over the proxy's, also inside `retry`. */
  executeWithOptions(overrides: ActivityOptions, args: Parameters<F>): ReturnType<F>;
};

/** Members that are no functions, or return no promise, are not activities and cannot be called. */
export type ActivityInterfaceFor<A> = {
  readonly [K in keyof A]: A[K] extends ActivityFunction ? ActivityFunctionWithOptions<A[K]> : never;
};

type Scheduler = ((...args: unknown[]) => Promise<unknown>) & {
  executeWithOptions(overrides: ActivityOptions, args: readonly unknown[]): Promise<unknown>;
};

function scheduler(name: string, options: ActivityOptions, compiled: CompiledActivityOptions): Scheduler {
  refuseReservedName('activity', name);
  // Its name is what stack traces call it.
  const activity = (...args: unknown[]): Promise<unknown> =>
    currentRun('scheduleActivity').activities.schedule(name, args, compiled);
  return Object.assign(activity, {
    async executeWithOptions(overrides: ActivityOptions, args: readonly unknown[] = []): Promise<unknown> {
      const merged = compileActivityOptions(mergeActivityOptions(options, overrides));
      return await currentRun('scheduleActivity').activities.schedule(name, args, merged);
    },
  });
}

/**
 * May be called at module level. Options are checked here, not at the call.
 * @throws TypeError, ValueError
 */
export function proxyActivities<A = UntypedActivities>(options: ActivityOptions): ActivityInterfaceFor<A> {
  const compiled = compileActivityOptions(options);
  const schedulers = new Map<string, Scheduler>();
  const proxy = new Proxy(Object.create(null) as object, {
    get(_target, key): Scheduler | undefined {
      if (typeof key !== 'string') {
        throw new TypeError(`Only strings are supported for Activity types, got: ${String(key)}`);
      }
      if (key === 'then') return undefined; // an async function may return the proxy
      let found = schedulers.get(key);
      if (found === undefined) {
        found = scheduler(key, options, compiled);
        schedulers.set(key, found);
      }
      return found;
    },
  });
  return proxy as ActivityInterfaceFor<A>;
}
