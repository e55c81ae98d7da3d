// Options that nobody reads are refused by name: types alone do not stop them, Node strips types.
import { describeValue } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';

/** One whose value is undefined was not given. @throws INVALID_INPUT */
export function refuseUnknownOptions(call: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined || options === null) return;
  if (typeof options !== 'object') {
    throw new RuntimeError('INVALID_INPUT', `${call}: the options are ${describeValue(options)}, expected an object.`);
  }
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || known.includes(option)) continue;
    const expected = known.length === 0 ? 'It has no options' : `Supported are ${known.join(', ')}`;
    throw new RuntimeError('INVALID_INPUT', `${call}: ${option} is not supported, or misspelt. ${expected}.`);
  }
}
