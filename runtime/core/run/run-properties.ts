// What a run says of itself to those who look for it: memo and search attributes. They are written to its row with the
// turn whose events change them; the row is the fold of those events, as `changedProperties` does it.
import type { SearchAttributeType } from '../options/search-attributes.ts';

/** A DATETIME is text, as Date.toISOString writes it. */
export type StoredAttribute = string | number | boolean | readonly string[];

/**
 * The part of `meta` of WorkflowStarted, MemoUpserted, SearchAttributesUpserted and WorkflowContinuedAsNew that concerns
 * memo and search attributes. In a change null deletes; a type stands beside each value.
 */
export interface PropertiesMeta {
  memo?: Record<string, unknown>;
  searchAttributes?: Record<string, StoredAttribute | null>;
  searchAttributeTypes?: Record<string, SearchAttributeType | null>;
}

/** As a run has them; never changed in place. */
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

/** Two changes as one. */
export function joinedChanges(first: PropertiesMeta, second: PropertiesMeta): PropertiesMeta {
  const joined: PropertiesMeta = {};
  for (const key of ['memo', 'searchAttributes', 'searchAttributeTypes'] as const) {
    if (first[key] !== undefined || second[key] !== undefined)
      Object.assign(joined, { [key]: { ...first[key], ...second[key] } });
  }
  return joined;
}
