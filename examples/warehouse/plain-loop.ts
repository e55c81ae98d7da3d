// The same work in a plain loop without any engine. The run must reach the same state, whatever happens to its workers.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { WarehouseRecord } from './records.ts';
import { applyRules, type Changes } from './repair.ts';

/** The run's context document. `done` counts records, page by page. `fixes` holds the repairs, by record and field. */
export interface WarehouseState {
  done: number;
  fixes: Record<string, Changes>;
}

export interface PlainResult {
  readonly state: WarehouseState;
  /** Number of context patches that the workflow must make, not counting the initial document. */
  readonly repairs: number;
}

export function runPlainLoop(records: readonly WarehouseRecord[]): PlainResult {
  const state: WarehouseState = { done: 0, fixes: {} };
  let repairs = 0;
  for (const record of records) {
    for (const repair of applyRules(record).repairs) {
      repairs += 1;
      state.fixes[record.id] = { ...state.fixes[record.id], ...repair.changes };
    }
    state.done += 1;
  }
  return { state, repairs };
}

/** Hex SHA-256 of the document's canonical form (RFC 8785), which does not depend on the order of keys. */
export function hashOf(document: unknown): string {
  return createHash('sha256')
    .update(canonicalize(document) ?? '')
    .digest('hex');
}
