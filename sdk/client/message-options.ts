// Arguments of a message that come as an option: signalWithOptions and queryWithOptions. Names: Temporal's.
import { argumentList, checkOptions, notYet, optionTable } from '../../runtime/core/options/option-table.ts';

/** `args` may be left out when there are none. */
export type MessageOptions<Args extends readonly unknown[]> = [] extends Args
  ? { readonly args?: Args }
  : { readonly args: Args };

const table = optionTable<MessageOptions<unknown[]>>({ args: argumentList }, { [notYet]: ['typeInfo', 'eventGroups'] });

/** @throws INVALID_INPUT */
export function messageArgs<Args extends readonly unknown[]>(call: string, options: MessageOptions<Args>): Args {
  checkOptions(call, options, table);
  return options.args ?? ([] as unknown as Args);
}
