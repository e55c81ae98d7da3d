// Names of the messages that a client sends, and options that hold their arguments. The names are Temporal's.
import type { argsType, resultType } from '../../../runtime/activator/messages/message-definition.ts';
import type { ActorOptions } from '../recovery/verb-options.ts';
import {
  anyText,
  argumentList,
  checkOptions,
  notYet,
  optionTable,
  storableName,
} from '../../../runtime/core/options/option-table.ts';

/** Anything with a name, such as what `defineSignal`, `defineQuery` and `defineUpdate` return. */
export interface Definition<Args extends readonly unknown[], Ret = unknown> {
  readonly name: string;
  readonly type?: string;
  readonly [argsType]?: Args;
  readonly [resultType]?: Ret;
}

/** `args` is optional for a message without arguments. */
export type MessageOptions<Args extends readonly unknown[]> = [] extends Args
  ? { readonly args?: Args }
  : { readonly args: Args };

const table = optionTable<MessageOptions<unknown[]>>({ args: argumentList }, { [notYet]: ['typeInfo', 'eventGroups'] });

const signalTable = optionTable<MessageOptions<unknown[]> & ActorOptions>(
  { args: argumentList, reason: anyText, actor: storableName },
  { [notYet]: ['typeInfo', 'eventGroups'] },
);

/** @throws INVALID_INPUT */
export function signalArgs<Args extends readonly unknown[]>(
  call: string,
  options: MessageOptions<Args> & ActorOptions,
): ActorOptions & { readonly args: Args } {
  checkOptions(call, options, signalTable);
  return { ...options, args: options.args ?? ([] as unknown as Args) };
}

/** @throws INVALID_INPUT */
export function messageArgs<Args extends readonly unknown[]>(call: string, options: MessageOptions<Args>): Args {
  checkOptions(call, options, table);
  return options.args ?? ([] as unknown as Args);
}
