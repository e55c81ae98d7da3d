// Sums up many replays with live activities: how many outcomes change, which paths differ, how often results match, and
// what it costs. Holds counts, not reports, so that any number of runs fits.
import type { ActivityMatch, LiveReplayReport } from './live-report.ts';

export type WhatIfVerdict =
  /** The replay ended as its run did, or otherwise. */
  | 'same'
  | 'changed'
  /** The replay ended before its code did. */
  | 'stopped'
  /** The run has no call that the options name. */
  | 'skipped'
  | 'failed';

export interface WhatIfRun {
  readonly workflowId: string;
  readonly runId: string;
  readonly verdict: WhatIfVerdict;
  /** Why it was stopped or skipped, or failed. */
  readonly message?: string;
}

export interface WhatIfReport {
  readonly runs: number;
  readonly verdicts: Readonly<Record<WhatIfVerdict, number>>;
  /** Share of the replayed runs whose outcome changes; null when none was replayed to its end. */
  readonly changedShare: number | null;
  /** Share of the entered calls whose result is that of the record; null when none was entered. */
  readonly matchRate: number | null;
  readonly matches: readonly ActivityMatch[];
  /** Paths of contexts that differ, list places as `*`, the most frequent first. */
  readonly paths: readonly { readonly path: string; readonly runs: number }[];
  /** Dollars: what the recorded calls had cost, and what the replays have cost. */
  readonly usdBefore: number;
  readonly usd: number;
  /** Runs whose outcome changed, that stopped or that failed: the first of each. */
  readonly examples: readonly WhatIfRun[];
  readonly ms: number;
}

const examplesMax = 10;
const pathsMax = 1_000;
const none: ActivityMatch = { type: '', same: 0, differs: 0, missing: 0, extra: 0, live: 0, usd: 0 };

export class WhatIfSummary {
  readonly #verdicts: Record<WhatIfVerdict, number> = { same: 0, changed: 0, stopped: 0, skipped: 0, failed: 0 };
  readonly #matches = new Map<string, ActivityMatch>();
  readonly #paths = new Map<string, number>();
  readonly #examples: WhatIfRun[] = [];
  #runs = 0;
  #live = 0;
  #matched = 0;
  #usdBefore = 0;
  #usd = 0;

  get runs(): number {
    return this.#runs;
  }

  addReport(report: LiveReplayReport): WhatIfRun {
    const { workflowId, runId, estimate, usd, matches, matchRate, paths, stop, outcome } = report;
    this.#usdBefore += estimate.usd;
    this.#usd += usd;
    for (const match of matches) this.#matches.set(match.type, sum(this.#matches.get(match.type) ?? none, match));
    const live = matches.reduce((count, match) => count + match.live, 0);
    this.#live += live;
    this.#matched += Math.round((matchRate ?? 0) * live);
    for (const path of new Set(paths.map((difference) => general(difference.path)))) {
      if (this.#paths.has(path) || this.#paths.size < pathsMax) this.#paths.set(path, (this.#paths.get(path) ?? 0) + 1);
    }
    if (stop !== undefined && stop.why !== 'end-of-log') {
      const calls = stop.calls.map(({ name }) => name).join(', ');
      return this.add({ workflowId, runId, verdict: 'stopped', message: stop.message ?? `not live: ${calls}` });
    }
    return this.add({ workflowId, runId, verdict: outcome.isSame ? 'same' : 'changed' });
  }

  add(run: WhatIfRun): WhatIfRun {
    this.#runs += 1;
    this.#verdicts[run.verdict] += 1;
    const isExample = run.verdict !== 'same' && run.verdict !== 'skipped';
    if (isExample && this.#examples.filter(({ verdict }) => verdict === run.verdict).length < examplesMax) {
      this.#examples.push(run);
    }
    return run;
  }

  report(ms: number): WhatIfReport {
    const { same, changed } = this.#verdicts;
    const paths = Array.from(this.#paths, ([path, runs]) => ({ path, runs }));
    return {
      runs: this.#runs,
      verdicts: { ...this.#verdicts },
      changedShare: same + changed === 0 ? null : changed / (same + changed),
      matchRate: this.#live === 0 ? null : this.#matched / this.#live,
      matches: [...this.#matches.values()],
      paths: paths.sort((a, b) => b.runs - a.runs || (a.path < b.path ? -1 : 1)),
      ...{ usdBefore: this.#usdBefore, usd: this.#usd },
      examples: [...this.#examples],
      ms,
    };
  }
}

function sum(a: ActivityMatch, b: ActivityMatch): ActivityMatch {
  return {
    type: b.type,
    same: a.same + b.same,
    differs: a.differs + b.differs,
    missing: a.missing + b.missing,
    extra: a.extra + b.extra,
    live: a.live + b.live,
    usd: a.usd + b.usd,
  };
}

/** Replaces places in lists by `*`, because they say nothing across runs. */
function general(path: string): string {
  return path.replaceAll(/\/\d+(?=\/|$)/g, '/*');
}
