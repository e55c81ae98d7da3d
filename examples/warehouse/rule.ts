// The shape of a repair rule.
import type { Cell, Field } from './records.ts';

/** Repairs one kind of fault. The kinds were found by a search through all of the data. */
export interface Rule<R> {
  readonly name: string;
  readonly reason: string;
  /** Probability from 0 to 1 that the new values are right where the rule applies. */
  readonly confidence: number;
  /** Returns the new values of fields. A value that equals the old value changes nothing. */
  repair(record: R): Partial<Record<Field, Cell>>;
}
