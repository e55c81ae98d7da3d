// The outcome of replaying many runs: counts, failures grouped by what diverged, and a report for CI in JUnit's format.
import type { RunVerdict } from './replay-many.ts';

/** Runs that diverge in the same way. */
export interface DivergenceGroup {
  /** One line: what diverged, and where. */
  readonly divergence: string;
  readonly runs: number;
  /** Workflow ids of the first runs, each once. */
  readonly examples: readonly string[];
  /** The whole message of the first run. */
  readonly message: string;
}

export interface GateReport {
  readonly success: boolean;
  readonly runs: number;
  readonly failed: number;
  readonly events: number;
  readonly ms: number;
  /** The largest groups first. */
  readonly groups: readonly DivergenceGroup[];
  readonly verdicts: readonly RunVerdict[];
}

const examplesMax = 5;

/**
 * Counts the outcomes of the runs. Memory stays small: a run that succeeded leaves one short verdict, and only the first
 * runs of each group keep their messages.
 */
export class GateSummary {
  readonly #groups = new Map<string, { runs: number; examples: string[]; message: string }>();
  readonly #verdicts: RunVerdict[] = [];
  #failed = 0;
  #events = 0;

  add(verdict: RunVerdict): void {
    this.#events += verdict.events;
    if (verdict.success) {
      this.#verdicts.push(verdict);
      return;
    }
    this.#failed += 1;
    const key = failureLine(verdict);
    const group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, { runs: 1, examples: [verdict.workflowId], message: failureMessage(verdict) });
      this.#verdicts.push(verdict);
      return;
    }
    group.runs += 1;
    const isNew = !group.examples.includes(verdict.workflowId);
    if (isNew && group.examples.length < examplesMax) group.examples.push(verdict.workflowId);
    const divergences = verdict.divergences.map((divergence) => ({ ...divergence, message: key }));
    this.#verdicts.push({ ...verdict, divergences });
  }

  get count(): number {
    return this.#verdicts.length;
  }

  get failed(): number {
    return this.#failed;
  }

  report(ms: number): GateReport {
    const groups = Array.from(this.#groups, ([divergence, group]) => ({ divergence, ...group }));
    return {
      success: this.#failed === 0,
      runs: this.#verdicts.length,
      failed: this.#failed,
      events: this.#events,
      ms,
      groups: groups.sort((a, b) => b.runs - a.runs),
      verdicts: this.#verdicts,
    };
  }
}

/** What failed, in one line that is the same for all runs that fail alike. */
export function failureLine({ workflowType, error, divergences: [first], missing, extra }: RunVerdict): string {
  if (error !== undefined) return `${error.code}: not replayed`;
  const type = `${workflowType}: `;
  if (first === undefined) return `${type}${missing} commands missing, ${extra} extra`;
  const { kind, recorded = 'nothing', produced = 'nothing', place, message } = first;
  const where = place === undefined ? '' : ` at ${place}`;
  // Ids differ from run to run.
  const withoutId = (text: string): string => text.replace(/ \([^)]*\)$/, '');
  if (kind === 'error') return `${type}${commonText(message)}${where}`;
  return `${type}${kind}: recorded ${withoutId(recorded)}, produced ${withoutId(produced)}${where}`;
}

/** The first line without numbers and quoted texts, which differ from run to run. */
function commonText(message: string): string {
  return message.split('\n', 1)[0]!.replaceAll(/\d+|'[^']*'|"[^"]*"/g, '…');
}

function failureMessage({ error, divergences: [first], ...verdict }: RunVerdict): string {
  return error?.message ?? first?.message ?? failureLine({ ...verdict, divergences: [] });
}

/** One test case for each run, in a suite for each workflow type. */
export function junitText({ verdicts, failed, runs, ms }: GateReport): string {
  const suites = Map.groupBy(verdicts, ({ workflowType = 'unknown' }) => workflowType);
  const parts = Array.from(suites, ([type, cases]) => {
    const failures = cases.filter(({ success }) => !success).length;
    const time = seconds(cases.reduce((sum, each) => sum + each.ms, 0));
    const head = `  <testsuite name="${escaped(type)}" tests="${cases.length}" failures="${failures}" time="${time}">`;
    return [head, ...cases.map((verdict) => caseText(type, verdict)), '  </testsuite>'].join('\n');
  });
  const head = `<testsuites name="reprise replay" tests="${runs}" failures="${failed}" time="${seconds(ms)}">`;
  return ['<?xml version="1.0" encoding="UTF-8"?>', head, ...parts, '</testsuites>', ''].join('\n');
}

function caseText(type: string, verdict: RunVerdict): string {
  const { workflowId, runId, success, ms } = verdict;
  const open = `    <testcase classname="${escaped(type)}" name="${escaped(`${workflowId} (${runId})`)}" time="${seconds(ms)}"`;
  if (success) return `${open}/>`;
  const message = escaped(failureLine(verdict));
  return `${open}>\n      <failure message="${message}">${escaped(failureMessage(verdict))}</failure>\n    </testcase>`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** XML cannot hold control characters, not even escaped. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}
