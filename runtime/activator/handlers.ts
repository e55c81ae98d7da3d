// How workflow code says what handles its signals and queries.
import { currentRun } from './current-run.ts';
import type { QueryDefinition, SignalDefinition } from './message-definition.ts';
import type { DefaultQueryHandler, QueryHandler } from './queries.ts';
import { refuseReservedName } from './reserved-name.ts';
import type { DefaultSignalHandler, SignalHandler } from './signals.ts';

function assertHandler(handler: unknown): void {
  if (handler === undefined || handler === null || typeof handler === 'function') return;
  throw new TypeError(`Expected handler to be either a function or 'undefined'. Got: '${typeof handler}'`);
}

/**
 * Sets, replaces or (with undefined) removes a handler. Signals of that name that arrived earlier are handed to it
 * before this returns. A query handler must be synchronous.
 */
export function setHandler<Args extends unknown[]>(
  definition: SignalDefinition<Args>,
  handler: NoInfer<(...args: Args) => void | Promise<void>> | undefined,
): void;
export function setHandler<Result, Args extends unknown[]>(
  definition: QueryDefinition<Result, Args>,
  handler: NoInfer<(...args: Args) => Result> | undefined,
): void;
export function setHandler(
  definition: Pick<SignalDefinition | QueryDefinition<unknown>, 'type' | 'name'>,
  handler: SignalHandler | QueryHandler | undefined,
): void {
  const run = currentRun('setHandler');
  assertHandler(handler);
  switch (definition.type) {
    case 'signal':
      refuseReservedName('signal', definition.name);
      run.signals.setHandler(definition.name, handler ?? undefined);
      return;
    case 'query':
      refuseReservedName('query', definition.name);
      run.queries.setHandler(definition.name, handler ?? undefined);
      return;
    default:
      throw new TypeError(`Invalid definition type: ${String((definition as { type?: unknown }).type)}`);
  }
}

/** Handles signals that no named handler takes; receives all that are kept, in order. undefined removes it. */
export function setDefaultSignalHandler(handler: DefaultSignalHandler | undefined): void {
  const run = currentRun('setDefaultSignalHandler');
  assertHandler(handler);
  run.signals.setDefaultHandler(handler ?? undefined);
}

/** Answers queries that no named handler takes. undefined removes it. */
export function setDefaultQueryHandler(handler: DefaultQueryHandler | undefined): void {
  const run = currentRun('setDefaultQueryHandler');
  assertHandler(handler);
  run.queries.setDefaultHandler(handler ?? undefined);
}
