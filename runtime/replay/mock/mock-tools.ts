// MOCK_TOOLS: the real workflow code on recorded results, up to any point. Enters no activity function, writes nothing.
import type { Json } from '../../core/json/json.ts';
import { engineFault } from '../../core/log/engine-number.ts';
import type { TaskFailure } from '../../core/log/activation.ts';
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import type { HistoryPages } from '../../core/log/history-source.ts';
import { isClosed } from '../../core/log/transition.ts';
import { readStartMeta } from '../../core/run/start-meta.ts';
import type { ActiveRun, Sandbox } from '../../sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import { explainedFailure } from '../../sandbox/stacks/explained-failure.ts';
import { divergenceOf, MockedTurns } from './mocked-turns.ts';
import type { RecordedState } from '../context/patch-only.ts';
import { FoldedState, type ReplayCall, type ReplayDivergence, type ReplayReport, stateHash } from '../report.ts';
import { type ResultMock, ResultMocks } from './result-mocks.ts';
import { RunReplay } from '../run-replay.ts';

/** All of it can be sent to another thread. */
export interface MockToolsOptions {
  readonly from?: number | undefined;
  /** The replay stops right behind this seq; default: the end of the log. */
  readonly to?: number | undefined;
  readonly mocks?: readonly ResultMock[] | undefined;
  readonly onDivergence?: 'fail' | 'report' | undefined;
  /** Result, encoded, of an activity that the log does not answer; undefined: none. */
  readonly stub?: Uint8Array | null | undefined;
  /** Looks for where the code waits instead of issuing a command. This slows down the thread for good. */
  readonly tracesWaits?: boolean | undefined;
  /** The report has no document and no hash of it. */
  readonly omitsState?: boolean | undefined;
  /** Stops a debugger where the code issues the command with this seq, or gets the input with this seq. */
  readonly breakAt?: number | undefined;
}

/** A report without what only the recorded patches tell. Can be sent to another thread. */
export type MockedReplay = Omit<ReplayReport, 'expectedHash' | 'ms'>;

const activityEnds: ReadonlySet<string> = new Set([
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityTimedOut',
  'ActivityCancelled',
]);

export async function mockTools(
  source: HistoryPages,
  sandbox: Sandbox,
  options: MockToolsOptions = {},
): Promise<MockedReplay> {
  const run = createRun(source, sandbox);
  try {
    return await new MockedRun(source, sandbox, run, options).replay();
  } finally {
    run.dispose();
  }
}

/** Completes a report with the document that the recorded patches give. */
export function mockToolsReport(replayed: MockedReplay, expected: RecordedState, ms: number): ReplayReport {
  const { stateHash: hash, end, mocked } = replayed;
  const expectedHash = end === 'stopped' ? null : expected.hash;
  // With replaced results, the document may rightly be another.
  const isMocked = mocked.some(({ seqs }) => seqs.length > 0);
  if (!replayed.success || isMocked || hash === expectedHash) return { ...replayed, expectedHash, ms };
  const { toSeq: seq } = replayed;
  const message =
    `The code gives another context document at seq ${seq} than the recorded patches: its SHA-256 is ${hash}, expected ` +
    `${expectedHash}. A patch from outside was folded differently; please report it.`;
  const divergence = { seq, kind: 'context', code: 'DETERMINISM', message } as const;
  return { ...replayed, success: false, divergences: [divergence], expectedHash, ms };
}

/** A fork begins with the identity of its oldest origin. */
function createRun({ line, runId }: HistoryPages, sandbox: Sandbox): ActiveRun {
  return sandbox.createRun(line[0]?.runId ?? runId);
}

class MockedRun {
  readonly #source: HistoryPages;
  readonly #sandbox: Sandbox;
  readonly #run: ActiveRun;
  readonly #options: MockToolsOptions;
  readonly #mocks: ResultMocks;
  readonly #turns: MockedTurns;
  readonly #replay: RunReplay;
  readonly #from: number;
  readonly #to: number;
  #events = 0;
  #patches = 0;
  #activities = 0;
  #lastAt: Micros = 0;

  constructor(source: HistoryPages, sandbox: Sandbox, run: ActiveRun, options: MockToolsOptions) {
    const { mocks = [], stub, from = 1, to = source.head, breakAt } = options;
    this.#source = source;
    this.#sandbox = sandbox;
    this.#run = run;
    this.#options = options;
    this.#from = from;
    this.#to = Math.min(to, source.head);
    this.#mocks = new ResultMocks(mocks);
    this.#turns = new MockedTurns(run, { mocks: this.#mocks, reports: this.#reports, stub });
    const limit = this.#to < source.head ? this.#to : undefined;
    this.#replay = new RunReplay(run, { to: limit, turns: this.#turns, breakAt });
  }

  get #reports(): boolean {
    return this.#options.onDivergence === 'report';
  }

  async replay(): Promise<MockedReplay> {
    await this.#read();
    let failure = this.#replay.failure ?? this.#run.rejection;
    let ops = this.#replay.contextOps();
    let hasGoneOn = false;
    if (failure === undefined && this.#mayGoOn) {
      hasGoneOn = true;
      failure = this.#turns.goOn(this.#replay.carried, this.#lastAt, this.#source.head);
      await rejectionsKnown();
      failure ??= this.#run.rejection;
    }
    if (this.#turns.hasDiverged) {
      const own = this.#run.contextOps();
      ops = own === null ? [] : [own];
    }
    if (failure !== undefined) this.#turns.divergences.push(await this.#told(failure, hasGoneOn));
    const divergences = this.#turns.divergences;
    const missing = this.#turns.missing();
    const extra = this.#turns.extra();
    const end = failure !== undefined ? 'stopped' : this.#end();
    const state = failure === undefined && this.#options.omitsState !== true ? foldedState(ops) : undefined;
    const { runId, workflowId, workflowType } = this.#source;
    return {
      mode: 'MOCK_TOOLS',
      success: divergences.length === 0 && missing.length === 0 && extra.length === 0,
      ...{ runId, workflowId, workflowType, codeHash: this.#sandbox.bundle?.hash ?? '' },
      fromSeq: this.#from,
      toSeq: end === 'stopped' && !hasGoneOn ? Math.max(0, this.#replay.failedSeq - 1) : this.#to,
      end,
      events: this.#events,
      patches: this.#patches,
      activities: this.#activities,
      divergences,
      missing,
      extra,
      mocked: this.#mocks.used,
      ...(end === 'end-of-log' ? { nextCommands: this.#nextCommands() } : {}),
      stateHash: stateHash(state),
      ...(state === undefined ? {} : { state }),
      usd: 0,
    };
  }

  async #read(): Promise<void> {
    const replay = this.#replay;
    for await (const page of this.#source.pages({ arguments: this.#reports ? 'digest' : 'none' })) {
      const [first] = page;
      if (first?.seq === 1) replay.failure = engineFault(readStartMeta(first));
      replay.take(page);
      this.#count(page);
      if (replay.isDone || replay.failure !== undefined) break;
    }
    replay.finish();
    await rejectionsKnown();
  }

  #count(page: readonly HistoryEvent[]): void {
    for (const { seq, type, at } of page) {
      if (seq > this.#to) return;
      this.#lastAt = at;
      if (seq < this.#from) continue;
      this.#events += 1;
      if (type === 'ContextPatched') this.#patches += 1;
      else if (activityEnds.has(type)) this.#activities += 1;
    }
  }

  /** At the end of the log: when the run is open, or when the code has left the record. */
  get #mayGoOn(): boolean {
    return this.#to === this.#source.head && (this.#turns.hasDiverged || !isClosed(this.#source.status));
  }

  #end(): 'closed' | 'to' | 'end-of-log' {
    if (this.#to < this.#source.head) return 'to';
    if (this.#turns.isOver) return 'closed';
    return isClosed(this.#source.status) && !this.#turns.hasDiverged ? 'closed' : 'end-of-log';
  }

  #nextCommands(): readonly ReplayCall[] {
    const { head } = this.#source;
    const { next } = this.#turns;
    const pending = this.#run.pendingCalls().filter(({ seq }) => this.#turns.hasDiverged || seq <= head);
    return [
      ...pending.map(({ type, name, id, seq }) => (seq <= head ? { type, name, id, seq } : { type, name, id })),
      ...next,
    ];
  }

  async #told(failure: TaskFailure, hasGoneOn: boolean): Promise<ReplayDivergence> {
    const seq = hasGoneOn ? this.#source.head + 1 : this.#replay.failedSeq;
    if (failure.code !== 'DETERMINISM' || hasGoneOn) return errorOf(failure, seq);
    const { divergence, message } = await this.#explained(failure);
    return divergence === undefined ? errorOf(failure, seq) : divergenceOf(divergence, message);
  }

  /** Replays once more, to find where the code issued the command and what is different in the arguments. */
  async #explained(failure: TaskFailure): Promise<TaskFailure> {
    const run = createRun(this.#source, this.#sandbox);
    const tracer = this.#options.tracesWaits === true ? this.#sandbox.traceWaits() : undefined;
    try {
      const turns = new MockedTurns(run, {
        mocks: new ResultMocks(this.#options.mocks ?? []),
        reports: false,
        stub: undefined,
      });
      const replay = new RunReplay(run, { explains: true, to: this.#options.to, turns });
      for await (const page of this.#source.pages({ arguments: 'whole' })) {
        replay.take(page);
        if (replay.failure !== undefined) break;
      }
      const { divergence, message } = replay.failure ?? {};
      if (divergence === undefined || message === undefined) return failure;
      const waits = tracer?.waits() ?? [];
      return { ...explainedFailure({ ...failure, divergence }, { previous: replay.previous, waits }), divergence };
    } finally {
      tracer?.stop();
      run.dispose();
    }
  }
}

function foldedState(texts: readonly string[]): Json | undefined {
  const folded = new FoldedState();
  for (const ops of texts) folded.apply(ops);
  return folded.state;
}

function errorOf({ code, message, stack }: TaskFailure, seq: number): ReplayDivergence {
  const place = stack
    ?.split('\n')
    .find((line) => /^\s+at /.test(line))
    ?.trim()
    .replace(/^at /, '');
  return { seq, kind: 'error', code, message, ...(place === undefined ? {} : { place }) };
}
