// When a run's context is worth a checkpoint. Each strategy is a pure function of the end of the log since the last
// checkpoint, so it gives the same answer before and after a crash.
import { RuntimeError } from '../failure/runtime-error.ts';
import { describeValue } from '../json/json.ts';
import type { CheckpointTrigger } from './checkpoint.ts';

/** The log of a run since its last checkpoint, or since its start. */
export interface CheckpointTail {
  /** Context patches (events). */
  readonly patches: number;
  /** Approximate size of these patches in the log. */
  readonly bytes: number;
  /** Completed activities. */
  readonly activities: number;
  /** Time from the last checkpoint, or the start, to the last event. */
  readonly ms: number;
  /** The highest progress that the run has reported, 0 to 1; undefined before the first report. */
  readonly progress: number | undefined;
  /** The highest progress at the last checkpoint. */
  readonly progressBefore: number | undefined;
  /** Stored size of the last checkpoint, in bytes. Before the first one: what a checkpoint would take, or 0 if unknown. */
  readonly snapshotBytes: number;
}

/**
 * `'automatic'`, the default: when the log has grown by 20 times the stored size of a checkpoint, so that checkpoints
 * never write more than 5 % of what the log writes. `every`: whichever comes first. `at`: once at each progress, when it
 * is reached. A function: whenever it returns true; it must depend on its argument alone. `'manual'`: only where the code
 * calls `checkpoint(name)`, which all other strategies but `'off'` do too.
 */
export type CheckpointStrategy =
  | 'automatic'
  | 'manual'
  | 'off'
  | { readonly every: { readonly patches?: number; readonly steps?: number; readonly ms?: number } }
  | { readonly at: { readonly progress: readonly number[] } }
  | ((tail: CheckpointTail) => boolean);

/** Checkpoints of `'automatic'` take at most one byte for this many bytes of the log. */
export const automaticShare = 20;
/** `'automatic'` takes no checkpoint of less, since reading this much of the log costs less than a look-up. */
const smallestSnapshot = 1_024;

/** What `isDue` of a strategy that is data says. A function is asked in the sandbox. */
export function dueTrigger(
  strategy: Exclude<CheckpointStrategy, (tail: CheckpointTail) => boolean>,
  tail: CheckpointTail,
): CheckpointTrigger | undefined {
  if (tail.patches === 0 || strategy === 'manual' || strategy === 'off') return undefined;
  if (strategy === 'automatic') {
    return tail.bytes >= automaticShare * Math.max(tail.snapshotBytes, smallestSnapshot) ? 'automatic' : undefined;
  }
  if ('at' in strategy) return isCrossed(strategy.at.progress, tail) ? 'progress' : undefined;
  const { patches = Infinity, steps = Infinity, ms = Infinity } = strategy.every;
  if (tail.patches >= patches) return 'patches';
  if (tail.activities >= steps) return 'activities';
  return tail.ms >= ms ? 'time' : undefined;
}

function isCrossed(marks: readonly number[], { progress, progressBefore = -1 }: CheckpointTail): boolean {
  return progress !== undefined && marks.some((mark) => progressBefore < mark && mark <= progress);
}

const accepted =
  "'automatic', 'manual', 'off', { every: { patches?, steps?, ms? } } with numbers above 0, { at: { progress: [0 to 1, …] } } or a function";

/** Undefined for a valid strategy, else what is wrong with it. */
export function strategyFault(value: unknown): string | undefined {
  return isStrategy(value) ? undefined : ` is ${describeValue(value)}, expected ${accepted}.`;
}

function isStrategy(value: unknown): boolean {
  if (typeof value === 'function' || value === 'automatic' || value === 'manual' || value === 'off') return true;
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return false;
  if ('every' in value) return isEvery(value.every);
  if (!('at' in value) || typeof value.at !== 'object' || value.at === null || !('progress' in value.at)) return false;
  const { progress } = value.at;
  return Array.isArray(progress) && progress.length > 0 && progress.every((mark) => mark >= 0 && mark <= 1);
}

const everyNames = new Set(['patches', 'steps', 'ms']);

function isEvery(every: unknown): boolean {
  if (typeof every !== 'object' || every === null) return false;
  const entries = Object.entries(every).filter(([, value]) => value !== undefined);
  return (
    entries.length > 0 && entries.every(([name, value]) => everyNames.has(name) && Number.isFinite(value) && value > 0)
  );
}

/** A name of a checkpoint: 1 to 200 characters that Postgres can store. @throws INVALID_INPUT */
export function checkpointName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= 200 && !name.includes('\0') && name.isWellFormed()) {
    return name;
  }
  const found = typeof name === 'string' ? `text of ${name.length} characters` : describeValue(name);
  throw new RuntimeError(
    'INVALID_INPUT',
    `The name of a checkpoint is ${found}, expected 1 to 200 characters without NUL and lone surrogates.`,
  );
}
