// Checks users' search attributes and converts them to and from their form in the log. The log and the run's row hold
// values as plain JSON by name, and the types in a second object. Where Temporal's converters have an error text, that
// text is used.
import { describeValue, isStorableName, isStorableText } from '../json/json.ts';
import type { PropertiesMeta, RunProperties, StoredAttribute } from '../run/run-properties.ts';
import {
  checkValueOf,
  isValueOf,
  type SearchAttributePair,
  type SearchAttributes,
  type SearchAttributeType,
  type SearchAttributeUpdatePair,
  type SearchAttributeValue,
  TypedSearchAttributes,
} from './search-attributes.ts';
import { kindOf } from '../payload/value-kind.ts';
import { ValueError } from '../failure/value-error.ts';

type Attributes = Pick<RunProperties, 'searchAttributes' | 'searchAttributeTypes'>;
type AttributesMeta = Required<Pick<PropertiesMeta, 'searchAttributes' | 'searchAttributeTypes'>>;

/** Names of run fields in queries. No attribute may have one of these names. */
export const fieldNames = [
  'WorkflowId',
  'RunId',
  'WorkflowType',
  'TaskQueue',
  'ExecutionStatus',
  'StartTime',
  'CloseTime',
  'ExecutionTime',
  'HistoryLength',
] as const;
export type FieldName = (typeof fieldNames)[number];

/** Temporal's name for the changes (`patched`) that a run's code has taken. Queries and descriptions use it. */
export const changesName = 'TemporalChangeVersion';

/**
 * Fields of Temporal's runs that this engine does not store. A query for such a field is rejected, since it would
 * silently find nothing.
 */
const foreignFields: ReadonlySet<string> = new Set([
  'BatcherUser',
  'BinaryChecksums',
  'BuildIds',
  'ExecutionDuration',
  'HistorySizeBytes',
  'ParentRunId',
  'ParentWorkflowId',
  'RootRunId',
  'RootWorkflowId',
  'StateTransitionCount',
  'VisibilityArchivalUri',
]);

/** Temporal reserves the first prefix for itself; the second is reserved too. */
const reservedPrefixes = ['Temporal', '__'];
const nameMax = 200;
/** Date and time of day with a zone. */
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/;

/** The change that an upsert writes. `before`: the run's attributes, whose types cannot change. @throws ValueError */
export function attributeChanges(
  given: SearchAttributes | readonly SearchAttributeUpdatePair[],
  before: Attributes,
): AttributesMeta {
  const changes: AttributesMeta = { searchAttributes: {}, searchAttributeTypes: {} };
  if (Array.isArray(given)) {
    for (const pair of given as readonly unknown[]) addTyped(changes, checkedPair(pair), before);
    return changes;
  }
  checkRecord(given);
  for (const [name, values] of Object.entries(given as SearchAttributes)) addLegacy(changes, name, values, before);
  return changes;
}

/**
 * The attributes that a start writes; undefined when none are given. If a name occurs in the typed and in the untyped
 * form, the typed value counts.
 * @throws ValueError
 */
export function startAttributes(
  legacy: SearchAttributes | undefined,
  typed: TypedSearchAttributes | readonly SearchAttributePair[] | undefined,
): AttributesMeta | undefined {
  if (legacy === undefined && typed === undefined) return undefined;
  const pairs = typedPairs(typed);
  const given: AttributesMeta = { searchAttributes: {}, searchAttributeTypes: {} };
  for (const pair of pairs) {
    if (Object.hasOwn(given.searchAttributes, pair.key.name)) {
      throw new ValueError(`Duplicate search attribute key: ${pair.key.name}`);
    }
    checkValueOf(pair.key.name, pair.key.type, pair.value);
    addTyped(given, pair, undefined);
  }
  if (legacy !== undefined) {
    checkRecord(legacy);
    for (const [name, values] of Object.entries(legacy)) {
      if (isNone(values) || Object.hasOwn(given.searchAttributes, name)) continue;
      addLegacy(given, name, values, undefined);
    }
  }
  return given;
}

function typedPairs(
  typed: TypedSearchAttributes | readonly SearchAttributePair[] | undefined,
): readonly SearchAttributeUpdatePair[] {
  if (typed === undefined) return [];
  const pairs: unknown = typed instanceof TypedSearchAttributes ? typed.getAll() : typed;
  if (!Array.isArray(pairs)) {
    throw new ValueError(
      `typedSearchAttributes is ${describeValue(typed)}, expected TypedSearchAttributes or a list of { key, value }`,
    );
  }
  return (pairs as readonly unknown[]).map(checkedPair);
}

function checkRecord(given: unknown): void {
  if (typeof given === 'object' && given !== null && kindOf(given) === 'object') return;
  throw new ValueError(
    `searchAttributes is ${describeValue(given)}, expected an object with a list of values for each name`,
  );
}

function checkedPair(pair: unknown): SearchAttributeUpdatePair {
  const { key, value } = Object(pair) as Partial<SearchAttributeUpdatePair>;
  if (typeof key !== 'object' || key === null || value === undefined) {
    throw new ValueError(
      `A typed search attribute is ${describeValue(pair)}, expected { key, value } with a key of defineSearchAttributeKey`,
    );
  }
  return pair as SearchAttributeUpdatePair;
}

/** @throws ValueError for an invalid attribute name */
export function checkAttributeName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !isStorableName(name) || name.length > nameMax) {
    throw new ValueError(
      `A search attribute cannot have the name ${describeValue(name)}: expected text of 1 to ${nameMax} characters without NUL and lone surrogates`,
    );
  }
  const prefix = reservedPrefixes.find((reserved) => name.startsWith(reserved));
  if (prefix !== undefined) {
    throw new ValueError(`Cannot use search attribute name: '${name}', with reserved prefix: '${prefix}'`);
  }
  if (foreignFields.has(name)) {
    throw new ValueError(
      `Cannot use search attribute name: '${name}', which is a Temporal field that this engine does not store`,
    );
  }
  if ((fieldNames as readonly string[]).includes(name)) {
    throw new ValueError(`Cannot use search attribute name: '${name}', which is a field of every run`);
  }
}

function addTyped(
  changes: AttributesMeta,
  { key: { name, type }, value }: SearchAttributeUpdatePair,
  before: Attributes | undefined,
): void {
  checkAttributeName(name);
  if (value !== null) checkValueOf(name, type, value);
  const known = typeBefore(changes, name, before);
  if (known !== undefined && known !== type) {
    throw new ValueError(
      `Search attribute '${name}' of this run has the type ${known}, got ${type}. Delete it with its own type first, or use another name`,
    );
  }
  changes.searchAttributes[name] = value === null ? null : storedValue(name, value);
  changes.searchAttributeTypes[name] = value === null ? null : type;
}

function typeBefore(
  changes: AttributesMeta,
  name: string,
  before: Attributes | undefined,
): SearchAttributeType | undefined {
  const changed = Object.hasOwn(changes.searchAttributeTypes, name);
  if (changed) return changes.searchAttributeTypes[name] ?? undefined;
  const types = before?.searchAttributeTypes ?? {};
  return Object.hasOwn(types, name) ? types[name] : undefined;
}

/** `value` is checked already. */
function storedValue(name: string, value: NonNullable<SearchAttributeUpdatePair['value']>): StoredAttribute {
  if (typeof value === 'number') return value + 0; // -0 is 0
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') return storableText(name, value);
  if (Array.isArray(value)) return value.map((text) => storableText(name, text));
  return value.toISOString();
}

function storableText(name: string, text: string): string {
  if (isStorableText(text)) return text;
  throw new ValueError(`Search attribute '${name}' holds NUL or a lone surrogate, which Postgres cannot store`);
}

function addLegacy(
  changes: AttributesMeta,
  name: string,
  values: SearchAttributes[string],
  before: Attributes | undefined,
): void {
  checkAttributeName(name);
  if (isNone(values)) {
    changes.searchAttributes[name] = null;
    changes.searchAttributeTypes[name] = null;
    return;
  }
  checkLegacyValues(name, values);
  const known = typeBefore(changes, name, before);
  const type = known !== undefined && legacyValue(known, values) !== undefined ? known : inferredType(name, values);
  addTyped(changes, { key: { name, type }, value: legacyValue(type, values) } as SearchAttributeUpdatePair, before);
}

function isNone(values: SearchAttributes[string] | null): values is undefined | null | readonly [] {
  return values === undefined || values === null || (Array.isArray(values) && values.length === 0);
}

function checkLegacyValues(name: string, values: unknown): asserts values is SearchAttributeValue {
  const fault = (text: string): ValueError => new ValueError(`${text} (search attribute '${name}')`);
  if (!Array.isArray(values)) throw fault('SearchAttribute value must be an array');
  const [first] = values as unknown[];
  const firstType = typeof first;
  for (const [index, value] of (values as unknown[]).entries()) {
    if (firstType === 'object' && (typeof value !== 'object' || value === null || kindOf(value) !== 'date')) {
      throw fault(
        `SearchAttribute values must arrays of strings, numbers, booleans, or Dates. The value ${describeValue(value)} at index ${index} is of type ${typeof value}`,
      );
    }
    if (!['object', 'string', 'number', 'boolean'].includes(firstType)) {
      throw fault('SearchAttribute array values must be: string | number | boolean | Date');
    }
    if (typeof value !== firstType) {
      throw fault(
        `All SearchAttribute array values must be of the same type. The first value ${String(first)} of type ${firstType} doesn't match value ${String(value)} of type ${typeof value} at index ${index}`,
      );
    }
  }
}

/** The values as one value of `type`; undefined when they do not match the type. */
function legacyValue(type: SearchAttributeType, values: Readonly<SearchAttributeValue>): unknown {
  let value: unknown = type === 'KEYWORD_LIST' ? values : values.length === 1 ? values[0] : undefined;
  if (type === 'DATETIME' && typeof value === 'string') value = isoTime.test(value) ? new Date(value) : undefined;
  return isValueOf(type, value) ? value : undefined;
}

/** The inferred type of an untyped value. Text is DATETIME when it is an ISO 8601 time, else TEXT. */
function inferredType(name: string, values: Readonly<SearchAttributeValue>): SearchAttributeType {
  for (const type of ['DATETIME', 'BOOL', 'INT', 'DOUBLE', 'TEXT'] as const) {
    if (legacyValue(type, values) !== undefined) return type;
  }
  if (values.length > 1 && typeof values[0] === 'string') return 'KEYWORD_LIST';
  const found = values.length === 1 ? `the value ${String(values[0])}` : `${values.length} values`;
  throw new ValueError(
    `Search attribute '${name}' has ${found}, expected one finite number, boolean or valid Date, or a list of texts`,
  );
}

/** Converts a time of the log to a Date. */
function valueOf(type: SearchAttributeType, stored: StoredAttribute): unknown {
  if (type === 'DATETIME') return new Date(stored as string);
  return Array.isArray(stored) ? [...(stored as string[])] : stored;
}

export function typedAttributes({ searchAttributes, searchAttributeTypes }: Attributes): TypedSearchAttributes {
  const pairs: SearchAttributePair[] = [];
  for (const [name, stored] of Object.entries(searchAttributes)) {
    const type = searchAttributeTypes[name];
    if (type === undefined) continue;
    pairs.push({ key: { name, type }, value: valueOf(type, stored) } as SearchAttributePair);
  }
  return new TypedSearchAttributes(pairs);
}

export function legacyAttributes({ searchAttributes, searchAttributeTypes }: Attributes): SearchAttributes {
  const all: SearchAttributes = {};
  for (const [name, stored] of Object.entries(searchAttributes)) {
    const value = valueOf(searchAttributeTypes[name] ?? 'TEXT', stored);
    all[name] = (Array.isArray(value) ? value : [value]) as SearchAttributeValue;
  }
  return all;
}
