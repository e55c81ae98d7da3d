// The shape of a repair rule.
import type { Cell, Field } from './records.ts';

/** One kind of fault in the data, found by looking at all of it. */
export interface Rule<R> {
  readonly name: string;
  readonly reason: string;
  /** Probability from 0 to 1 that the new values are right where the rule applies. */
  readonly confidence: number;
  /** The new values; a value equal to the old one changes nothing. */
  repair(record: R): Partial<Record<Field, Cell>>;
}
