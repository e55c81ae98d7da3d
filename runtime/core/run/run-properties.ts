// A run's memo and search attributes, by which people find the run. The turn whose events change them also writes them
// to the run's row. The row holds what `changedProperties` folds from these events.
import type { SearchAttributeType } from '../options/search-attributes.ts';

/** A DATETIME is text in the form of Date.toISOString. */
export type StoredAttribute = string | number | boolean | readonly string[];

/**
 * The memo and search attributes in `meta` of WorkflowStarted, MemoUpserted, SearchAttributesUpserted and
 * WorkflowContinuedAsNew. In an upsert, null deletes a value. `searchAttributeTypes` holds the types.
 */
export interface PropertiesMeta {
  memo?: Record<string, unknown>;
  searchAttributes?: Record<string, StoredAttribute | null>;
  searchAttributeTypes?: Record<string, SearchAttributeType | null>;
}

/** The current values of a run. Never changed in place. */
export interface RunProperties {
  readonly memo: Readonly<Record<string, unknown>> | undefined;
  readonly searchAttributes: Readonly<Record<string, StoredAttribute>>;
  readonly searchAttributeTypes: Readonly<Record<string, SearchAttributeType>>;
}

export const noProperties: RunProperties = Object.freeze({
  memo: undefined,
  searchAttributes: Object.freeze({}),
  searchAttributeTypes: Object.freeze({}),
});

export function changedProperties(before: RunProperties, change: PropertiesMeta): RunProperties {
  return {
    memo: change.memo === undefined ? before.memo : withoutNulls({ ...before.memo, ...change.memo }),
    searchAttributes: withoutNulls({ ...before.searchAttributes, ...change.searchAttributes }),
    searchAttributeTypes: withoutNulls({ ...before.searchAttributeTypes, ...change.searchAttributeTypes }),
  };
}

function withoutNulls<T>(members: Record<string, T>): Record<string, NonNullable<T>> {
  const left = Object.entries(members).filter(
    (entry): entry is [string, NonNullable<T>] => (entry[1] ?? null) !== null,
  );
  return Object.fromEntries(left);
}

export function joinedChanges(first: PropertiesMeta, second: PropertiesMeta): PropertiesMeta {
  const joined: PropertiesMeta = {};
  for (const key of ['memo', 'searchAttributes', 'searchAttributeTypes'] as const) {
    if (first[key] !== undefined || second[key] !== undefined)
      Object.assign(joined, { [key]: { ...first[key], ...second[key] } });
  }
  return joined;
}
