// Repairs one record by the rules of its kind. Pure: the same record gives the same repairs in any process at any time.
import type { Cell, Field, WarehouseRecord } from './records.ts';
import type { Rule } from './rule.ts';
import { strikeRules } from './strike-rules.ts';
import { zipRules } from './zip-rules.ts';

/** `was` is the value in the file, even if an earlier rule has already changed that value. */
export type Change = { readonly was: Cell; readonly is: Cell };

export type Changes = Readonly<Partial<Record<Field, Change>>>;

/** The changes that one rule made to one record. All have the same reason. */
export interface Repair {
  readonly rule: string;
  readonly reason: string;
  readonly confidence: number;
  readonly changes: Changes;
}

/** Applies the rules in order. Each rule gets the result of the previous rules. */
export function applyRules(record: WarehouseRecord): { record: WarehouseRecord; repairs: Repair[] } {
  return record.kind === 'strike' ? applyInOrder(record, strikeRules) : applyInOrder(record, zipRules);
}

function applyInOrder<R extends WarehouseRecord>(
  original: R,
  rules: readonly Rule<R>[],
): { record: R; repairs: Repair[] } {
  let record = original;
  const repairs: Repair[] = [];
  for (const { name, reason, confidence, repair } of rules) {
    const was: Partial<Record<Field, Cell>> = original;
    const now: Partial<Record<Field, Cell>> = record;
    const changed = (Object.entries(repair(record)) as [Field, Cell][]).filter(([field, is]) => is !== now[field]);
    if (changed.length === 0) continue;
    record = { ...record, ...Object.fromEntries(changed) };
    const changes: Changes = Object.fromEntries(changed.map(([field, is]) => [field, { was: was[field] ?? null, is }]));
    repairs.push({ rule: name, reason, confidence, changes });
  }
  return { record, repairs };
}
