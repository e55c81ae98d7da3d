// The options of a replay with live activities, as callers give them, and their checks.
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { describeValue } from '../../core/json/json.ts';
import {
  checkOptions,
  listOf,
  optionTable,
  recordOf,
  ruleOf,
  storableName,
  trueOrFalse,
  unchecked,
} from '../../core/options/option-table.ts';
import type { ReplayMode } from '../report.ts';

export interface LiveReplayOptions {
  mode: Extract<ReplayMode, 'LIVE_TOOLS'> | 'live_tools' | 'live-tools';
  /**
   * The replay begins before this step: a seq, an activity id, or `type#n` for the n-th call of an activity type. Default:
   * before the first replaced result is used, or the start of the run.
   */
  from?: number | string;
  /**
   * Types of activities that may be entered, besides those that are declared with `effect: 'none'`. All calls of these
   * types are entered, also those that the record answers. With `results`, or with 'divergent' in place of a list, the
   * record answers every call that it holds, and only others are entered. Children cannot be named: they come from the
   * record.
   */
  live?: readonly string[] | 'divergent';
  /**
   * Results that replace recorded ones, by activity type, `type#n` (the n-th call of the type, from 1) or activity id. An
   * Error stands for a failure, a file URL for the JSON value in a file.
   */
  results?: Readonly<Record<string, unknown>>;
  /** The same as `results`. */
  mocks?: Readonly<Record<string, unknown>>;
  /** Timers wait for their time. Default false: they fire in the order of their due times, without waiting. */
  realTime?: boolean;
  /** Types of `unsafe` activities among `live` that may be entered. */
  allowEffects?: readonly string[];
  /** Share of the live calls that are entered, above 0 and at most 1; the record answers the others. Default 1. */
  sample?: number;
  /** Keeps the replay fork from being pruned. Default false. */
  keep?: boolean;
  /** Not supported: this version has no activities with `effect: 'tx'`. */
  txSchema?: string;
}

export function isLiveReplay(options: { readonly mode?: unknown }): options is LiveReplayOptions {
  const { mode } = options;
  return typeof mode === 'string' && mode.toUpperCase().replaceAll('-', '_') === 'LIVE_TOOLS';
}

const share = ruleOf('a number above 0 and at most 1', (value) => {
  return typeof value === 'number' && value > 0 && value <= 1;
});

const liveOptions = optionTable<LiveReplayOptions>({
  ...unchecked('mode', 'txSchema'),
  from: ruleOf('a seq, an activity id, or type#n', (value) => typeof value === 'string' || Number.isInteger(value)),
  live: ruleOf("a list of activity types, or 'divergent'", (value) => {
    return value === 'divergent' || listOf(storableName).faultOf(value) === undefined;
  }),
  results: recordOf({ faultOf: () => undefined }),
  mocks: recordOf({ faultOf: () => undefined }),
  realTime: trueOrFalse,
  allowEffects: listOf(storableName),
  sample: share,
  keep: trueOrFalse,
});

/** @throws INVALID_INPUT, NOT_SUPPORTED */
export function checkLiveOptions(options: LiveReplayOptions): void {
  checkOptions('replay', options, liveOptions);
  const { txSchema, allowEffects = [], live } = options;
  if (txSchema !== undefined) {
    throw new RuntimeError(
      'NOT_SUPPORTED',
      `replay: txSchema is ${describeValue(txSchema)}, but this version has no activities with effect 'tx'. Leave it out.`,
    );
  }
  const unnamed = allowEffects.filter((type) => !Array.isArray(live) || !live.includes(type));
  if (unnamed.length === 0) return;
  throw new RuntimeError(
    'INVALID_INPUT',
    `replay: allowEffects names ${unnamed.join(', ')}, which live does not. An unsafe activity is entered only if both do.`,
  );
}

/** What a caller allows, in one form. */
export interface LiveChoice {
  readonly live: readonly string[];
  readonly recordFirst: boolean;
}

export function liveChoice({ live, results, mocks }: LiveReplayOptions): LiveChoice {
  const replaces = Object.keys({ ...mocks, ...results }).length > 0;
  return {
    live: live === undefined || live === 'divergent' ? [] : live,
    recordFirst: replaces || live === 'divergent',
  };
}
