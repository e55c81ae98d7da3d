// Reduces measurements to figures. Each question has one figure, with a unit, a direction, a target and the limit that
// Postgres sets.
import { median } from '../statistics.ts';
import type { Measured } from './adapter.ts';
import type { Failed } from './child.ts';
import type { Limit } from './probe.ts';
import type { Question, System, Variant } from './questions.ts';

export interface Asked {
  readonly title: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly digits: number;
  /** The target for Reprise: the ratio of its figure to the best peer's. */
  readonly targets: readonly { readonly variant: Variant; readonly text: string; readonly ratio: number }[];
  /** The limit that Postgres sets. Undefined if no limit is meaningful. */
  limitOf(limit: Limit, variant: Variant): number | undefined;
  readonly limitText: string;
}

export const asked: Record<Question, Asked> = {
  W1: {
    title: 'short workflows of one step, 200 in flight',
    unit: 'workflows/s',
    better: 'higher',
    digits: 0,
    targets: [{ variant: '', text: '≥ 10×', ratio: 10 }],
    limitOf: (limit) => limit.flows200 / 2,
    limitText: 'two shared commits a workflow, 200 flows',
  },
  W2: {
    title: 'sequential steps in one workflow',
    unit: 'ms a step',
    better: 'lower',
    digits: 3,
    targets: [{ variant: '', text: '≤ 1/2', ratio: 1 / 2 }],
    limitOf: (limit) => limit.commitMs,
    limitText: 'one durable insert',
  },
  W2b: {
    title: '50 workflows of 100 sequential steps at once',
    unit: 'steps/s',
    better: 'higher',
    digits: 0,
    targets: [{ variant: '', text: '≥ 5×', ratio: 5 }],
    limitOf: (limit) => limit.flows50,
    limitText: 'shared commits, 50 flows',
  },
  W3: {
    title: 'start to result of a workflow of one step, idle in between',
    unit: 'ms p50',
    better: 'lower',
    digits: 2,
    targets: [
      { variant: 'one process', text: '≤ 1/3', ratio: 1 / 3 },
      { variant: 'across processes', text: '≤ 1/2', ratio: 1 / 2 },
    ],
    limitOf: (limit, variant) => (variant === 'across processes' ? limit.threeCommitsMs : limit.twoCommitsMs),
    limitText: 'two commits one after the other in one process, three across',
  },
  W4: {
    title: 'SIGKILL of the worker after 10,000 steps, kill to first new step',
    unit: 'ms',
    better: 'lower',
    digits: 0,
    targets: [{ variant: 'new process', text: 'faster', ratio: 1 }],
    limitOf: () => undefined,
    limitText: '',
  },
  W5: {
    title: '1000 parallel steps in one workflow',
    unit: 'steps/s',
    better: 'higher',
    digits: 0,
    targets: [{ variant: '', text: '≥ 10×', ratio: 10 }],
    limitOf: (limit) => limit.flush1000,
    limitText: 'one insert of 1000 rows',
  },
};

/**
 * The figure of a measurement. For a peer's rate, the higher of the client's rate and the rate inside the workflow
 * code.
 */
export function figureOf({ question, rates, latency, recovery }: Measured): number {
  if (rates !== undefined) {
    const rate = Math.max(rates.client, rates.inside ?? 0);
    return question === 'W2' ? 1000 / rate : rate;
  }
  return latency?.p50 ?? recovery?.total ?? Number.NaN;
}

/** The measurements of one table row, over all rounds. */
export interface Row {
  readonly system: System;
  readonly variant: Variant;
  readonly measured: readonly Measured[];
  readonly failed: readonly Failed[];
}

export function isMeasured(one: Measured | Failed): one is Measured {
  return !('failure' in one);
}

/** Median over the rounds that finished. NaN if no round finished. */
export function figureOfRow(row: Row): number {
  return median(row.measured.map(figureOf));
}

/** The peer with the best median. */
export function bestPeer(rows: readonly Row[], { better }: Asked): Row | undefined {
  const sign = better === 'higher' ? -1 : 1;
  return rows
    .filter((row) => row.system !== 'reprise' && row.measured.length > 0)
    .toSorted((a, b) => sign * (figureOfRow(a) - figureOfRow(b)))[0];
}

export function meets(ratio: number, target: number, { better }: Asked): boolean {
  return better === 'higher' ? ratio >= target : ratio <= target;
}

/** Text of one measurement for the progress line. */
export function summaryOf(one: Measured | Failed): string {
  if (!isMeasured(one)) return `FAILED, ${one.failure}`;
  const { unit, digits } = asked[one.question];
  return `${figureOf(one).toFixed(digits)} ${unit}`;
}
