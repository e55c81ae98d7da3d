// Typed activities for workflow code: an object whose every property is a function that schedules the activity of that
// name.
// Source: Temporal's proxyActivities and proxyLocalActivities.
import {
  type ActivityOptions,
  type CompiledActivityOptions,
  compileActivityOptions,
  compileLocalActivityOptions,
  type LocalActivityOptions,
  mergeActivityOptions,
} from './activity-options.ts';
import { currentRun } from '../run/current-run.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';

export type ActivityFunction<Args extends readonly unknown[] = never[], Result = unknown> = (
  ...args: Args
) => Promise<Result>;

/** Activities of unknown types. */
export type UntypedActivities = Record<string, ActivityFunction<unknown[]>>;

/** @deprecated Temporal's older name for UntypedActivities. */
export type ActivityInterface = UntypedActivities;

export type ActivityProxyOptions = ActivityOptions;
export type LocalActivityProxyOptions = LocalActivityOptions;

/**
 * The type of a member that is not a function or does not return a promise. Such a member is not an activity and cannot
 * be called.
 */
export const NotAnActivityMethod: unique symbol = Symbol.for('reprise.NotAnActivityMethod');

export type ActivityFunctionWithOptions<F extends ActivityFunction> = F & {
  /** Calls the activity with other options: `overrides` win over the proxy's, also inside `retry`. */
  executeWithOptions(overrides: ActivityOptions, args: Parameters<F>): ReturnType<F>;
};

export type LocalActivityFunctionWithOptions<F extends ActivityFunction> = F & {
  /** Calls the activity with other options: `overrides` win over the proxy's, also inside `retry`. */
  executeWithOptions(overrides: LocalActivityOptions, args: Parameters<F>): ReturnType<F>;
};

export type ActivityInterfaceFor<A> = {
  readonly [K in keyof A]: A[K] extends ActivityFunction
    ? ActivityFunctionWithOptions<A[K]>
    : typeof NotAnActivityMethod;
};

export type LocalActivityInterfaceFor<A> = {
  readonly [K in keyof A]: A[K] extends ActivityFunction
    ? LocalActivityFunctionWithOptions<A[K]>
    : typeof NotAnActivityMethod;
};

type Scheduler<O> = ((...args: unknown[]) => Promise<unknown>) & {
  executeWithOptions(overrides: O, args: readonly unknown[]): Promise<unknown>;
};

/** What differs between the two kinds of proxies. */
interface Kind<O> {
  /** The public function's name, for errors outside of workflow code. */
  readonly caller: string;
  compile(options: O): CompiledActivityOptions;
}

const ordinary: Kind<ActivityOptions> = { caller: 'scheduleActivity', compile: compileActivityOptions };
const local: Kind<LocalActivityOptions> = { caller: 'scheduleLocalActivity', compile: compileLocalActivityOptions };

function scheduler<O extends ActivityOptions | LocalActivityOptions>(
  kind: Kind<O>,
  name: string,
  options: O,
  compiled: CompiledActivityOptions,
): Scheduler<O> {
  refuseReservedName('activity', name);
  // Stack traces show this name.
  const activity = (...args: unknown[]): Promise<unknown> =>
    currentRun(kind.caller).activities.schedule(name, args, compiled);
  return Object.assign(activity, {
    async executeWithOptions(overrides: O, args: readonly unknown[] = []): Promise<unknown> {
      const merged = kind.compile(mergeActivityOptions(options, overrides));
      return await currentRun(kind.caller).activities.schedule(name, args, merged);
    },
  });
}

function proxy<O extends ActivityOptions | LocalActivityOptions>(kind: Kind<O>, options: O): object {
  const compiled = kind.compile(options);
  const schedulers = new Map<string, Scheduler<O>>();
  return new Proxy(Object.create(null) as object, {
    get(_target, key): Scheduler<O> | undefined {
      if (typeof key !== 'string') {
        throw new TypeError(`Only strings are supported for Activity types, got: ${String(key)}`);
      }
      if (key === 'then') return undefined; // an async function may return the proxy
      let found = schedulers.get(key);
      if (found === undefined) {
        found = scheduler(kind, key, options, compiled);
        schedulers.set(key, found);
      }
      return found;
    },
  });
}

/**
 * May be called at module level. Checks the options here, not at the call.
 * @throws TypeError, ValueError, RuntimeError INVALID_INPUT
 */
export function proxyActivities<A = UntypedActivities>(options: ActivityOptions): ActivityInterfaceFor<A> {
  return proxy(ordinary, options) as ActivityInterfaceFor<A>;
}

/**
 * Local activities, which only the run's owner executes. As in Temporal, the caller gets the thrown error itself, not
 * inside an ActivityFailure. When several results arrive together, results of local activities are handled last.
 * Calling an activity that the worker lacks throws a ReferenceError. May be called at module level. Checks the options
 * here, not at the call.
 * @throws TypeError, ValueError, RuntimeError INVALID_INPUT
 */
export function proxyLocalActivities<A = UntypedActivities>(
  options: LocalActivityOptions,
): LocalActivityInterfaceFor<A> {
  return proxy(local, options) as LocalActivityInterfaceFor<A>;
}

function scheduleOne<O>(
  { caller, compile }: Kind<O>,
  call: { readonly type: string; readonly args: readonly unknown[]; readonly options: O },
): Promise<unknown> {
  const run = currentRun(caller);
  if (call.options === undefined) throw new TypeError('Got empty activity options');
  refuseReservedName('activity', call.type);
  return run.activities.schedule(call.type, call.args, compile(call.options));
}

/** Schedules an activity without a proxy. Rejects where `proxyActivities` throws. */
export async function scheduleActivity<R>(
  type: string,
  args: readonly unknown[],
  options: ActivityOptions,
): Promise<R> {
  return (await scheduleOne(ordinary, { type, args, options })) as R;
}

/** Schedules a local activity without a proxy. Rejects where `proxyLocalActivities` throws. */
export async function scheduleLocalActivity<R>(
  type: string,
  args: readonly unknown[],
  options: LocalActivityOptions,
): Promise<R> {
  return (await scheduleOne(local, { type, args, options })) as R;
}
