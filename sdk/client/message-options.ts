// Arguments of a message that come as an option: signalWithOptions and queryWithOptions. Names: Temporal's.
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { refuseUnknown } from '../common/refuse-unknown.ts';

/** `args` may be left out when there are none. */
export type MessageOptions<Args extends readonly unknown[]> = [] extends Args
  ? { readonly args?: Args }
  : { readonly args: Args };

/** @throws INVALID_INPUT */
export function messageArgs<Args extends readonly unknown[]>(call: string, options: MessageOptions<Args>): Args {
  refuseUnknown(call, options, ['args'], ['typeInfo', 'eventGroups']);
  const args: unknown = options.args ?? [];
  if (Array.isArray(args)) return args as unknown as Args;
  throw new RuntimeError('INVALID_INPUT', `${call}: args must be the array of arguments, got ${typeof args}.`);
}
