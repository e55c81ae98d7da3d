// ActivityCall addresses, as people write them: a seq, an activity id, or `type#n`, the n-th call of an activity type from 1.
// Pure: finding the call needs the log.
import { RuntimeError } from '../failure/runtime-error.ts';
import { describeValue, isStorableName } from '../json/json.ts';

export type ActivityAddress =
  | { readonly by: 'seq'; readonly seq: number }
  /** A text of digits names a seq, or the activity with this id when no activity has the seq. */
  | { readonly by: 'id'; readonly id: string; readonly seq: number | undefined }
  /** When there is no such call, the text is an id, which may have the same form. */
  | CallAddress;

interface CallAddress {
  readonly by: 'call';
  readonly type: string;
  readonly n: number;
}

/** @throws INVALID_INPUT */
export function parseActivityAddress(address: unknown): ActivityAddress {
  if (typeof address === 'number' && isSeq(address)) return { by: 'seq', seq: address };
  if (typeof address === 'string' && isStorableName(address)) {
    const call = /^(.+)#([1-9]\d{0,8})$/.exec(address);
    if (call !== null) return { by: 'call', type: call[1]!, n: Number(call[2]) };
    const seq = /^\d{1,10}$/.test(address) && isSeq(Number(address)) ? Number(address) : undefined;
    return { by: 'id', id: address, seq };
  }
  throw new RuntimeError(
    'INVALID_INPUT',
    `${describeValue(address)} is not the address of an activity call: expected a seq, an activity id, or type#n for the n-th call of a type.`,
  );
}

/** The address of a call, read as the id of an activity: workflow code may give ids such as `validation#1`. */
export function asActivityId({ type, n }: CallAddress): ActivityAddress & { readonly by: 'id' } {
  return { by: 'id', id: `${type}#${n}`, seq: undefined };
}

function isSeq(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 2_147_483_647;
}
