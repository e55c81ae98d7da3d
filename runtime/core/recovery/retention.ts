// What retention keeps: the rules, their defaults, and which rule a closed run falls under. Pure.
import type { RunStatus } from '../log/transition.ts';
import { anyText, checkOptions, nested, optionTable, ruleOf, trueOrFalse } from '../options/option-table.ts';

export interface Retention {
  /** Checkpoints of a run. Pinned ones are always kept, and so is the newest one, unless `keep…` is 0. */
  checkpoints?: {
    /** How many a run keeps that completed; default 3. */
    keepCompleted?: number;
    /** How many a run keeps that failed; default 10. */
    keepFailed?: number;
    /** Older ones go, of open runs too; default 30. */
    maxAgeDays?: number;
  };
  /** Logs of closed runs, which leave as a whole. The log of an open run is never pruned. */
  events?: {
    /** Days after a run completed; default 90. */
    completedDays?: number;
    /** Days after a run failed; default 365. */
    failedDays?: number;
    /** A folder: each run is written there as `<run id>.jsonl.gz` before it leaves. */
    archive?: string;
  };
  /** System checkpoints. */
  system?: {
    /** How many of the newest are kept; default 5. */
    keep?: number;
  };
}

export interface PruneOptions extends Retention {
  /** Only count; delete nothing. */
  dryRun?: boolean;
}

const maxCount = 2_147_483_647;
/** 1,000 years: intervals of Postgres reach back that far from now. */
const maxDays = 365_000;
const count = ruleOf(`a whole number from 0 to ${maxCount}`, (value) => {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxCount;
});
const days = ruleOf(`a number of days from 0 to ${maxDays}`, (value) => {
  return Number.isFinite(value) && (value as number) >= 0 && (value as number) <= maxDays;
});

const pruneOptions = optionTable<PruneOptions>({
  checkpoints: nested(
    optionTable<NonNullable<Retention['checkpoints']>>({ keepCompleted: count, keepFailed: count, maxAgeDays: days }),
  ),
  events: nested(
    optionTable<NonNullable<Retention['events']>>({ completedDays: days, failedDays: days, archive: anyText }),
  ),
  system: nested(optionTable<NonNullable<Retention['system']>>({ keep: count })),
  dryRun: trueOrFalse,
});

export interface RetentionRules {
  readonly keepCompleted: number;
  readonly keepFailed: number;
  readonly maxAgeDays: number;
  readonly completedDays: number;
  readonly failedDays: number;
  readonly keepSystem: number;
}

/** The rules with their defaults. @throws INVALID_INPUT */
export function retentionRules(options: PruneOptions): RetentionRules {
  checkOptions('prune', options, pruneOptions);
  const { checkpoints = {}, events = {}, system = {} } = options;
  return {
    keepCompleted: checkpoints.keepCompleted ?? 3,
    keepFailed: checkpoints.keepFailed ?? 10,
    maxAgeDays: checkpoints.maxAgeDays ?? 30,
    completedDays: events.completedDays ?? 90,
    failedDays: events.failedDays ?? 365,
    keepSystem: system.keep ?? 5,
  };
}

/** Closed runs that count as failed. All other closed runs count as completed. */
export const failedStatuses: readonly RunStatus[] = ['failed', 'timed_out', 'terminated'];
