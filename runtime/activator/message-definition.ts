// What names a signal, a query or an update, with the types of its arguments. Pure data: clients import it too.
import { refuseReservedName } from './reserved-name.ts';

/** Keys that only carry types; nothing has them. */
export declare const argsOf: unique symbol;
export declare const resultOf: unique symbol;

export interface SignalDefinition<Args extends unknown[] = [], Name extends string = string> {
  readonly type: 'signal';
  readonly name: Name;
  readonly [argsOf]?: Args;
}

export interface QueryDefinition<Result, Args extends unknown[] = [], Name extends string = string> {
  readonly type: 'query';
  readonly name: Name;
  readonly [argsOf]?: Args;
  readonly [resultOf]?: Result;
}

export interface UpdateDefinition<Result, Args extends unknown[] = [], Name extends string = string> {
  readonly type: 'update';
  readonly name: Name;
  readonly [argsOf]?: Args;
  readonly [resultOf]?: Result;
}

/** @throws TypeError for a reserved name. */
export function defineSignal<Args extends unknown[] = [], Name extends string = string>(
  name: Name,
): SignalDefinition<Args, Name> {
  refuseReservedName('signal', name);
  return { type: 'signal', name };
}

/** @throws TypeError for a reserved name. */
export function defineQuery<Result, Args extends unknown[] = [], Name extends string = string>(
  name: Name,
): QueryDefinition<Result, Args, Name> {
  refuseReservedName('query', name);
  return { type: 'query', name };
}

/** @throws TypeError for a reserved name. */
export function defineUpdate<Result, Args extends unknown[] = [], Name extends string = string>(
  name: Name,
): UpdateDefinition<Result, Args, Name> {
  refuseReservedName('update', name);
  return { type: 'update', name };
}
