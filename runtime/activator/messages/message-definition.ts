// Definitions of signals, queries and updates: a name plus the types of the arguments. Pure data: clients import it
// too.
import { checkOptions, optionTable } from '../../core/options/option-table.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';

/** These keys only carry types. No object has them. */
export declare const argsType: unique symbol;
export declare const resultType: unique symbol;

/** Temporal's `typeInfo` is not supported yet. */
export type NoOptions = Readonly<Record<string, never>>;
const noOptions = optionTable<object>({});

export interface SignalDefinition<Args extends unknown[] = [], Name extends string = string> {
  readonly type: 'signal';
  readonly name: Name;
  readonly [argsType]?: Args;
}

export interface QueryDefinition<Result, Args extends unknown[] = [], Name extends string = string> {
  readonly type: 'query';
  readonly name: Name;
  readonly [argsType]?: Args;
  readonly [resultType]?: Result;
}

export interface UpdateDefinition<Result, Args extends unknown[] = [], Name extends string = string> {
  readonly type: 'update';
  readonly name: Name;
  readonly [argsType]?: Args;
  readonly [resultType]?: Result;
}

/** @throws TypeError for a reserved name, INVALID_INPUT for an unknown option */
export function defineSignal<Args extends unknown[] = [], Name extends string = string>(
  name: Name,
  options?: NoOptions,
): SignalDefinition<Args, Name> {
  refuseReservedName('signal', name);
  if (options !== undefined) checkOptions('defineSignal', options, noOptions);
  return { type: 'signal', name };
}

/** @throws TypeError for a reserved name, INVALID_INPUT for an unknown option */
export function defineQuery<Result, Args extends unknown[] = [], Name extends string = string>(
  name: Name,
  options?: NoOptions,
): QueryDefinition<Result, Args, Name> {
  refuseReservedName('query', name);
  if (options !== undefined) checkOptions('defineQuery', options, noOptions);
  return { type: 'query', name };
}

/** @throws TypeError for a reserved name, INVALID_INPUT for an unknown option */
export function defineUpdate<Result, Args extends unknown[] = [], Name extends string = string>(
  name: Name,
  options?: NoOptions,
): UpdateDefinition<Result, Args, Name> {
  refuseReservedName('update', name);
  if (options !== undefined) checkOptions('defineUpdate', options, noOptions);
  return { type: 'update', name };
}
