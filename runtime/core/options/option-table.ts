// The one checker of options: a table lists the options of a call and the rule for each. Types alone do not protect,
// since Node strips them. Pure, and usable in the sandbox: valid options cost no allocation. Converts nothing and sets
// no defaults.
import { RuntimeError } from '../failure/runtime-error.ts';
import { describeValue, isStorableName, isStorableText } from '../json/json.ts';
import { type Duration, optionMs } from './duration.ts';

/** `at`: place inside the checked value. `problem` follows the option's name: ` is 5, expected text.` */
interface OptionFault {
  readonly at: string;
  readonly problem: string;
}

export interface OptionRule {
  /** Undefined when the value is valid. Not called for an absent option. */
  readonly faultOf: (value: unknown) => OptionFault | undefined;
  readonly isRequired?: true;
  /** Accepted, but not in the list of known options. */
  readonly isHidden?: true;
}

type Rules = Readonly<Record<string, OptionRule>>;

export interface OptionTable {
  readonly rules: Rules;
  readonly required: readonly string[];
  /** Reasons for rejecting options that users may expect, by option name. */
  readonly refused: ReadonlyMap<string, string>;
  /** Prefix of an option's name in messages about its value. */
  readonly label: string;
}

/** Reasons for rejecting options of the Temporal SDK. */
export const notYet = 'is not supported yet';
export const meaningless = 'has no meaning here';

/** `refused`: rejected options, grouped by reason. */
export function optionTable<Options>(
  rules: Readonly<Record<keyof Options, OptionRule>>,
  refused: Readonly<Record<string, readonly string[]>> = {},
  label = '',
): OptionTable {
  const reasons = Object.entries(refused).flatMap(([reason, names]) => names.map((name) => [name, reason] as const));
  const required = Object.entries<OptionRule>(rules).filter(([, rule]) => rule.isRequired);
  return { rules, required: required.map(([name]) => name), refused: new Map(reasons), label };
}

/** An option whose value is undefined counts as absent. @throws RuntimeError INVALID_INPUT */
export function checkOptions(call: string, options: unknown, table: OptionTable): void {
  if (!isObject(options)) {
    const known = knownNames(table);
    const expected = known === '' ? 'takes no options' : `needs an object of options (${known})`;
    throw invalid(`${call} ${expected}, got ${describeValue(options)}.`);
  }
  const fault = faultIn(table, options);
  if (fault === undefined) return;
  throw invalid(`${fault.at === '' ? call : `${table.label}${fault.at}`}${fault.problem}`);
}

/** Checks a single value; `name` is what the caller calls it. @throws RuntimeError INVALID_INPUT */
export function checkOption(name: string, value: unknown, rule: OptionRule): void {
  const fault = rule.faultOf(value);
  if (fault !== undefined) throw invalid(`${name}${fault.at === '' ? '' : `.${fault.at}`}${fault.problem}`);
}

function invalid(message: string): RuntimeError {
  return new RuntimeError('INVALID_INPUT', message);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function faultIn(table: OptionTable, options: Readonly<Record<string, unknown>>): OptionFault | undefined {
  for (const name in options) {
    const value = options[name];
    if (value === undefined || !Object.hasOwn(options, name)) continue;
    if (!Object.hasOwn(table.rules, name)) return { at: '', problem: refusal(table, name) };
    const fault = table.rules[name]!.faultOf(value);
    if (fault !== undefined) return inside(name, fault);
  }
  for (const name of table.required) {
    if (options[name] === undefined) return inside(name, table.rules[name]!.faultOf(undefined)!);
  }
  return undefined;
}

function inside(name: string, { at, problem }: OptionFault): OptionFault {
  return { at: at === '' ? name : `${name}.${at}`, problem };
}

function refusal(table: OptionTable, name: string): string {
  const reason = table.refused.get(name);
  if (reason !== undefined) return `: option ${name} ${reason}. Leave it out.`;
  const known = knownNames(table);
  if (known === '') return ` has no option "${name}". It takes none.`;
  const near = nearest(name, known.split(', '));
  const hint = near === undefined ? `Known options: ${known}.` : `Did you mean ${near}?`;
  return ` has no option "${name}". ${hint}`;
}

function knownNames({ rules }: OptionTable): string {
  return Object.keys(rules)
    .filter((name) => rules[name]!.isHidden !== true)
    .join(', ');
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(name.length / 3)) ? best.other : undefined;
}

/** The number of letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

export function ruleOf(expected: string, fits: (value: unknown) => boolean): OptionRule {
  return {
    faultOf: (value) => {
      if (fits(value)) return undefined;
      return {
        at: '',
        problem: ` is ${value === undefined ? 'missing' : describeValue(value)}, expected ${expected}.`,
      };
    },
  };
}

const anything: OptionRule = { faultOf: () => undefined };

/** For options that have no effect here, and for options whose reader checks them and throws its own error. */
export function unchecked<Name extends string>(...names: Name[]): Record<Name, OptionRule> {
  return Object.fromEntries(names.map((name) => [name, anything])) as Record<Name, OptionRule>;
}

export function required(rule: OptionRule): OptionRule {
  return { ...rule, isRequired: true };
}

/** For options of tests and tools. */
export const hidden: OptionRule = { ...anything, isHidden: true };

/** null counts as absent, as in the Temporal SDK. */
export function orNull({ faultOf }: OptionRule): OptionRule {
  return { faultOf: (value) => (value === null ? undefined : faultOf(value)) };
}

export const trueOrFalse: OptionRule = ruleOf('true or false', (value) => typeof value === 'boolean');
export const aFunction: OptionRule = ruleOf('a function', (value) => typeof value === 'function');
export const aList: OptionRule = ruleOf('a list', Array.isArray);
export const argumentList: OptionRule = ruleOf('the list of arguments, such as args: [argument]', Array.isArray);
export const anyText: OptionRule = ruleOf('text', (value) => typeof value === 'string');

export function textOf(min: number, max: number): OptionRule {
  return ruleOf(`text of ${min} to ${max} characters`, (value) => {
    return typeof value === 'string' && value.length >= min && value.length <= max;
  });
}

/** Text that a column of Postgres can hold. */
export const storableText: OptionRule = ruleOf(
  'text without NUL and lone surrogates',
  (value) => typeof value === 'string' && isStorableText(value),
);
/** Text that an index of Postgres can hold. */
export const storableName: OptionRule = ruleOf(
  'text of 1 to 1000 characters without NUL and lone surrogates',
  (value) => typeof value === 'string' && isStorableName(value),
);

export function wholeNumber(min: number): OptionRule {
  return ruleOf(`a whole number of ${min} or more`, (value) => Number.isInteger(value) && (value as number) >= min);
}

export const positiveNumber: OptionRule = ruleOf(
  'a number above 0',
  (value) => Number.isFinite(value) && (value as number) > 0,
);

/** 0 to 100 years. */
export const duration: OptionRule = {
  faultOf: (value) => {
    try {
      optionMs('', value as Duration);
      return undefined;
    } catch (error) {
      return { at: '', problem: `${(error as Error).message}.` };
    }
  },
};

/** One of an enum's values. A value may have several names. */
export function oneOf(names: Readonly<Record<string, string | undefined>>): OptionRule {
  const values = new Set<unknown>(Object.values(names).filter((name) => name !== undefined));
  const all = [...values];
  const expected = all.length > 2 ? `one of ${all.join(', ')}` : all.join(' or ');
  return ruleOf(expected, (value) => values.has(value));
}

export function nested(table: OptionTable): OptionRule {
  const object = ruleOf(`an object of ${knownNames(table)}`, isObject);
  return { faultOf: (value) => object.faultOf(value) ?? faultIn(table, value as Readonly<Record<string, unknown>>) };
}

/** A list, or an object with any keys, whose values all satisfy the rule. */
export function listOf(rule: OptionRule): OptionRule {
  return { faultOf: (value) => aList.faultOf(value) ?? faultAmong(value as readonly unknown[], rule) };
}

export function recordOf(rule: OptionRule): OptionRule {
  const object = ruleOf('an object', isObject);
  return { faultOf: (value) => object.faultOf(value) ?? faultAmong(value as object, rule) };
}

function faultAmong(values: object, rule: OptionRule): OptionFault | undefined {
  for (const [key, value] of Object.entries(values)) {
    const fault = rule.faultOf(value);
    if (fault !== undefined) return inside(key, fault);
  }
  return undefined;
}
