// Search attributes: typed values of a run, used to filter lists of runs. Holds the public classes and types only;
// attribute-values.ts holds the stored form. Names are Temporal's.
import { describeValue } from '../json/json.ts';
import { kindOf } from '../payload/value-kind.ts';
import { ValueError } from '../failure/value-error.ts';

export const SearchAttributeType = {
  /** Matched by its words. */
  TEXT: 'TEXT',
  /** Matched as a whole. */
  KEYWORD: 'KEYWORD',
  INT: 'INT',
  DOUBLE: 'DOUBLE',
  BOOL: 'BOOL',
  /** A Date of the years 0 to 9999. */
  DATETIME: 'DATETIME',
  /** Matched by each of its texts. */
  KEYWORD_LIST: 'KEYWORD_LIST',
} as const;
export type SearchAttributeType = (typeof SearchAttributeType)[keyof typeof SearchAttributeType];

interface ValueOfType {
  TEXT: string;
  KEYWORD: string;
  INT: number;
  DOUBLE: number;
  BOOL: boolean;
  DATETIME: Date;
  KEYWORD_LIST: string[];
}

export interface SearchAttributeKey<T extends SearchAttributeType> {
  name: string;
  type: T;
}

export type SearchAttributePair = {
  [T in SearchAttributeType]: { key: SearchAttributeKey<T>; value: ValueOfType[T] };
}[SearchAttributeType];

/** `null` deletes the attribute. */
export type SearchAttributeUpdatePair = {
  [T in SearchAttributeType]: { key: SearchAttributeKey<T>; value: ValueOfType[T] | null };
}[SearchAttributeType];

/** The older, untyped form: a list of values per name. An empty list deletes the attribute. */
export type SearchAttributeValue = string[] | number[] | boolean[] | Date[];
export type SearchAttributes = Record<string, SearchAttributeValue | Readonly<SearchAttributeValue> | undefined>;

/** A name and the type of its values. Has no side effect: keys need no registration. */
export function defineSearchAttributeKey<T extends SearchAttributeType>(name: string, type: T): SearchAttributeKey<T> {
  return { name, type };
}

function isDate(value: unknown): value is Date {
  return typeof value === 'object' && value !== null && kindOf(value) === 'date';
}

function isStorableDate(value: unknown): value is Date {
  if (!isDate(value)) return false;
  const year = value.getUTCFullYear();
  return year >= 0 && year <= 9999;
}

/** Also accepts values of another realm. */
function isValidValueForType(type: SearchAttributeType, value: unknown): boolean {
  switch (type) {
    case 'TEXT':
    case 'KEYWORD':
      return typeof value === 'string';
    case 'INT':
      return Number.isInteger(value);
    case 'DOUBLE':
      return Number.isFinite(value);
    case 'BOOL':
      return typeof value === 'boolean';
    case 'DATETIME':
      return isStorableDate(value);
    case 'KEYWORD_LIST':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    default:
      return false;
  }
}

export function isValueOf<T extends SearchAttributeType>(type: T, value: unknown): value is ValueOfType[T] {
  return isValidValueForType(type, value);
}

/** @throws ValueError */
export function checkValueOf(name: string, type: SearchAttributeType, value: unknown): void {
  if (isValidValueForType(type, value)) return;
  if (typeof type !== 'string' || !Object.hasOwn(SearchAttributeType, type)) {
    throw new ValueError(`Unknown search attribute type: ${String(type)} (search attribute '${name}')`);
  }
  const shown = typeof value === 'object' && value !== null ? describeValue(value) : String(value);
  throw new ValueError(`Invalid search attribute value ${shown} for given type ${type} (search attribute '${name}')`);
}

interface TypedValue {
  readonly type: SearchAttributeType;
  readonly value: ValueOfType[SearchAttributeType];
}

function copyValue(value: TypedValue['value']): TypedValue['value'] {
  if (Array.isArray(value)) return [...value];
  return isDate(value) ? new Date(value.getTime()) : value;
}

/** A set of search attributes. `updateCopy` returns a changed copy. */
export class TypedSearchAttributes {
  // Not #private: two sets with the same attributes must be deeply equal.
  private readonly attributes: Map<string, TypedValue> = new Map();

  /** @throws Error for a duplicate name, ValueError for a value that does not match its key's type */
  constructor(initialAttributes: readonly SearchAttributePair[] = []) {
    for (const pair of initialAttributes) {
      if (this.attributes.has(pair.key.name)) throw new Error(`Duplicate search attribute key: ${pair.key.name}`);
      this.set(pair);
    }
  }

  /** Undefined when the set has no such attribute, or when the attribute has another type. */
  get<T extends SearchAttributeType>(key: SearchAttributeKey<T>): ValueOfType[T] | undefined {
    const value = this.attributes.get(key.name)?.value;
    return isValueOf(key.type, value) ? value : undefined;
  }

  getAll(): SearchAttributePair[] {
    return [...this.attributes].map(
      ([name, { type, value }]) => ({ key: { name, type }, value: copyValue(value) }) as SearchAttributePair,
    );
  }

  copy(): TypedSearchAttributes {
    return new TypedSearchAttributes(this.getAll());
  }

  /** A copy with `updates` applied. A deletion applies when both name and type match. @throws ValueError */
  updateCopy(updates: readonly SearchAttributeUpdatePair[]): TypedSearchAttributes {
    const copy = this.copy();
    for (const pair of updates) {
      const { key, value } = pair;
      if (value !== null) copy.set(pair as SearchAttributePair);
      else if (copy.attributes.get(key.name)?.type === key.type) copy.attributes.delete(key.name);
    }
    return copy;
  }

  toJSON(): SearchAttributePair[] {
    return this.getAll();
  }

  private set({ key: { name, type }, value }: SearchAttributePair): void {
    checkValueOf(name, type, value);
    this.attributes.set(name, { type, value: copyValue(value) });
  }
}
