// Functions that workflow code calls to set its handlers for signals, queries and updates.
import { currentRun } from '../run/current-run.ts';
import type { QueryDefinition, SignalDefinition, UpdateDefinition } from './message-definition.ts';
import type { DefaultQueryHandler, QueryHandler } from './queries.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';
import { checkOptions, optionTable, unchecked } from '../../core/options/option-table.ts';
import { HandlerUnfinishedPolicy } from '../../core/run/unfinished-policy.ts';
import type { DefaultSignalHandler, SignalHandler } from './signals.ts';
import { type DefaultUpdateHandler, type UpdateHandler, type UpdateInfo, updateOfFlow } from './updates.ts';

export interface QueryHandlerOptions {
  /** For display. */
  readonly description?: string;
}

export interface SignalHandlerOptions extends QueryHandlerOptions {
  /** Default WARN_AND_ABANDON. */
  readonly unfinishedPolicy?: HandlerUnfinishedPolicy;
}

export interface UpdateHandlerOptions<Args extends unknown[]> extends SignalHandlerOptions {
  /**
   * Called before an update is accepted, never on replay. Must be synchronous and change nothing. If it throws, the
   * update is rejected and leaves no trace in the history.
   */
  readonly validator?: (...args: Args) => void;
}

const handlerOptions = {
  query: optionTable<QueryHandlerOptions>(unchecked('description')),
  signal: optionTable<SignalHandlerOptions>(unchecked('description', 'unfinishedPolicy')),
  update: optionTable<UpdateHandlerOptions<never[]>>(unchecked('description', 'unfinishedPolicy', 'validator')),
};

function assertHandler(handler: unknown): void {
  if (handler === undefined || handler === null || typeof handler === 'function') return;
  throw new TypeError(`Expected handler to be either a function or 'undefined'. Got: '${typeof handler}'`);
}

/**
 * Sets, replaces or (with undefined) removes a handler. Earlier signals and updates of that name are dispatched to it
 * before this returns. A query handler must be synchronous.
 */
export function setHandler<Args extends unknown[]>(
  definition: SignalDefinition<Args>,
  handler: NoInfer<(...args: Args) => void | Promise<void>> | undefined,
  options?: SignalHandlerOptions,
): void;
export function setHandler<Result, Args extends unknown[]>(
  definition: QueryDefinition<Result, Args>,
  handler: NoInfer<(...args: Args) => Result> | undefined,
  options?: QueryHandlerOptions,
): void;
export function setHandler<Result, Args extends unknown[]>(
  definition: UpdateDefinition<Result, Args>,
  handler: NoInfer<(...args: Args) => Result | Promise<Result>> | undefined,
  options?: NoInfer<UpdateHandlerOptions<Args>>,
): void;
export function setHandler(
  definition: { readonly type: 'signal' | 'query' | 'update'; readonly name: string },
  handler: SignalHandler | QueryHandler | UpdateHandler | undefined,
  options: UpdateHandlerOptions<never[]> = {},
): void {
  const run = currentRun('setHandler');
  assertHandler(handler);
  const { type, name } = definition;
  checkOptions('setHandler', options, handlerOptions[type]);
  const { unfinishedPolicy: policy, description } = options;
  if (policy !== undefined && !Object.hasOwn(HandlerUnfinishedPolicy, policy)) {
    throw new TypeError(`Invalid unfinishedPolicy: '${String(policy)}'. Expected WARN_AND_ABANDON or ABANDON`);
  }
  switch (type) {
    case 'signal':
      refuseReservedName(type, name);
      run.signals.setHandler(name, handler ? { handler, policy, description } : undefined);
      return;
    case 'query':
      refuseReservedName(type, name);
      run.queries.setHandler(name, handler ?? undefined, description);
      return;
    case 'update': {
      refuseReservedName(type, name);
      const validator = options.validator;
      assertHandler(validator);
      run.updates.setHandler(
        name,
        handler ? { handler, validator: validator ?? undefined, policy, description } : undefined,
      );
      return;
    }
    default:
      throw new TypeError(`Invalid definition type: ${String(type satisfies never)}`);
  }
}

/**
 * Handles signals without a named handler. Receives all buffered signals without a handler, in order. undefined removes
 * the default handler.
 */
export function setDefaultSignalHandler(handler: DefaultSignalHandler | undefined): void {
  const run = currentRun('setDefaultSignalHandler');
  assertHandler(handler);
  run.signals.setDefaultHandler(handler ?? undefined);
}

/** Handles updates without a named handler, and validates none. undefined removes the default handler. */
export function setDefaultUpdateHandler(handler: DefaultUpdateHandler | undefined): void {
  const run = currentRun('setDefaultUpdateHandler');
  assertHandler(handler);
  run.updates.setDefaultHandler(handler ?? undefined);
}

/** Answers queries without a named handler. undefined removes the default handler. */
export function setDefaultQueryHandler(handler: DefaultQueryHandler | undefined): void {
  const run = currentRun('setDefaultQueryHandler');
  assertHandler(handler);
  run.queries.setDefaultHandler(handler ?? undefined);
}

/**
 * True when no signal or update handler is running: `await condition(allHandlersFinished)` before the workflow ends.
 */
export function allHandlersFinished(): boolean {
  return currentRun('allHandlersFinished').running.isEmpty;
}

/** Id and name of the update whose handler is running here; undefined elsewhere. */
export function currentUpdateInfo(): UpdateInfo | undefined {
  currentRun('currentUpdateInfo');
  return updateOfFlow();
}
