// The checker of options: what it rejects, and its messages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  anyText,
  checkOptions,
  duration,
  hidden,
  listOf,
  meaningless,
  nested,
  notYet,
  oneOf,
  optionTable,
  orNull,
  positiveNumber,
  recordOf,
  required,
  trueOrFalse,
  wholeNumber,
} from '../../../runtime/core/options/option-table.ts';

interface Options {
  name: string;
  count?: number;
  rate?: number;
  wait?: unknown;
  color?: 'red' | 'blue' | null;
  deep?: { flag?: boolean };
  lists?: Record<string, string[]>;
  secret?: unknown;
}

const table = optionTable<Options>(
  {
    name: required(anyText),
    count: wholeNumber(1),
    rate: positiveNumber,
    wait: duration,
    color: orNull(oneOf({ RED: 'red', OLD_RED: 'red', BLUE: 'blue', NONE: undefined })),
    deep: nested(optionTable<{ flag?: boolean }>({ flag: trueOrFalse })),
    lists: recordOf(listOf(anyText)),
    secret: hidden,
  },
  { [notYet]: ['later'], [meaningless]: ['poll'] },
  'Option ',
);

test('valid options pass, and undefined counts as absent', () => {
  const all = { count: 1, rate: 0.5, wait: '2s', color: null, deep: {}, lists: { a: ['b'] }, secret: 1 };
  checkOptions('call', { name: '', ...all }, table);
  checkOptions('call', { name: 'x', count: undefined, elephants: undefined }, table);
  checkOptions('call', Object.create({ elephants: 1 }, { name: { value: 'x', enumerable: true } }), table);
});

const known = 'name, count, rate, wait, color, deep, lists';
const refused: [unknown, string][] = [
  [undefined, `call needs an object of options (${known}), got nothing.`],
  [[], `call needs an object of options (${known}), got a list of 0.`],
  [{ name: 'x', counts: 1 }, 'call has no option "counts". Did you mean count?'],
  [{ name: 'x', constructor: 1 }, `call has no option "constructor". Known options: ${known}.`],
  [{ name: 'x', later: 1 }, 'call: option later is not supported yet. Leave it out.'],
  [{ name: 'x', poll: 1 }, 'call: option poll has no meaning here. Leave it out.'],
  [{}, 'Option name is missing, expected text.'],
  [{ name: null }, 'Option name is null, expected text.'],
  [{ name: 'x', count: 1.5 }, 'Option count is 1.5, expected a whole number of 1 or more.'],
  [{ name: 'x', rate: Number.NaN }, 'Option rate is NaN, expected a number above 0.'],
  [{ name: 'x', wait: -1 }, 'Option wait is -1 ms, expected 0 to 100 years.'],
  [{ name: 'x', color: 'green' }, 'Option color is the text "green", expected red or blue.'],
  [{ name: 'x', deep: 'y' }, 'Option deep is the text "y", expected an object of flag.'],
  [{ name: 'x', deep: { flag: 1 } }, 'Option deep.flag is 1, expected true or false.'],
  [{ name: 'x', deep: { flags: true } }, 'Option deep has no option "flags". Did you mean flag?'],
  [{ name: 'x', lists: { a: ['b', 5] } }, 'Option lists.a.1 is 5, expected text.'],
];
for (const [options, message] of refused) {
  test(`options are rejected: ${message}`, () => {
    assert.throws(() => checkOptions('call', options, table), { code: 'INVALID_INPUT', message });
  });
}

test('a call without options rejects every option', () => {
  const none = optionTable<object>({});
  checkOptions('call', {}, none);
  assert.throws(() => checkOptions('call', { x: 1 }, none), { message: 'call has no option "x". It takes none.' });
  assert.throws(() => checkOptions('call', 5, none), { message: 'call takes no options, got 5.' });
});
