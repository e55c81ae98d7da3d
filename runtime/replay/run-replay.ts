// Rebuilds a run from its log: activates every recorded turn again with its own inputs and time, and checks that the
// code issues the same commands. Streams the history, so memory does not grow with it.
import type { Activation, Divergence, TaskFailure } from '../core/log/activation.ts';
import type { DeploymentMeta } from '../core/run/deployment.ts';
import { engineFault } from '../core/log/engine-number.ts';
import { type ForkedMeta, readForkedMeta } from '../core/run/forked-meta.ts';
import { type HistoryEvent, isOutput } from '../core/log/event.ts';
import type { ActiveRun } from '../sandbox/realm/active-run.ts';
import { isVisible, notActivated } from '../core/log/visible.ts';

/** Number of events that a failure's message shows, to locate the failure in the history. */
const previousMax = 3;

/** How a replay activates a turn. Returns why the replay cannot go on; undefined when it can. */
export interface TurnActivation {
  activate(activation: Activation): TaskFailure | undefined;
}

/** The code must issue the commands that the log holds. */
export class ExactTurns implements TurnActivation {
  readonly #sandbox: ActiveRun;

  constructor(sandbox: ActiveRun) {
    this.#sandbox = sandbox;
  }

  activate(activation: Activation): TaskFailure | undefined {
    const result = this.#sandbox.activate(activation);
    return result.ok ? undefined : result.failure;
  }
}

export interface ReplayRules {
  /** Collects details for a failure's message. Needs the arguments of activities and takes longer. */
  readonly explains?: boolean;
  /** The replay stops behind this seq; default: the end of the log. */
  readonly to?: number | undefined;
  /** Stops a debugger where the code issues the command with this seq, or gets the input with this seq. */
  readonly breakAt?: number | undefined;
  /** Default: `ExactTurns`. */
  readonly turns?: TurnActivation;
}

/** Feeds a log to workflow code turn by turn. The last event of a turn is the one with a hash. */
export class RunReplay {
  readonly #sandbox: ActiveRun;
  readonly #turns: TurnActivation;
  readonly #explains: boolean;
  readonly #breakAt: number | undefined;
  readonly #to: number;
  #turn: HistoryEvent[] = [];
  /** Inputs in the log that no activation has seen: those of failed workflow tasks, and those after the last hash. */
  carried: HistoryEvent[] = [];
  /** Why the code could not follow the log. Nothing is activated after a failure. */
  failure: TaskFailure | undefined;
  /** Seq of the first command in the turn that failed; 0 without a failure. */
  failedSeq = 0;

  /** The last events that the code followed; filled only with `explains`. */
  previous: readonly HistoryEvent[] = [];

  /** True when the replay has stopped behind `to`. Later events are ignored. */
  isDone = false;
  /** Operations for the context document when `to` is inside a turn. */
  #cutOps: readonly string[] | undefined;

  constructor(
    sandbox: ActiveRun,
    { explains = false, to, breakAt, turns = new ExactTurns(sandbox) }: ReplayRules = {},
  ) {
    this.#breakAt = breakAt;
    this.#sandbox = sandbox;
    this.#turns = turns;
    this.#explains = explains;
    this.#to = to ?? Number.POSITIVE_INFINITY;
  }

  take(events: readonly HistoryEvent[]): void {
    for (const event of events) {
      this.#turn.push(event);
      if (event.hash === null) continue;
      const turn = this.#turn;
      this.#turn = [];
      if (this.failure === undefined && !this.isDone) this.#replayTurn(turn);
    }
  }

  /** Call after the last event. Returns the events that no hash covers yet. */
  finish(): HistoryEvent[] {
    for (const event of this.#turn) if (isVisible(event.type) && event.seq <= this.#to) this.carried.push(event);
    return this.#turn;
  }

  /** JSON texts of operations that create the context document at the point that the replay has reached. */
  contextOps(): readonly string[] {
    if (this.#cutOps !== undefined) return this.#cutOps;
    return opsOf(this.#sandbox.contextOps(), this.carried);
  }

  #replayTurn(turn: readonly HistoryEvent[]): void {
    const last = turn.at(-1)!;
    let inputCount = turn.findIndex(isOutput);
    if (inputCount < 0) inputCount = turn.length;
    const nextSeq = turn[0]!.seq + inputCount;
    const isCut = this.#to < last.seq;
    if (this.#to <= last.seq) this.isDone = true;
    let deployment: DeploymentMeta | undefined;
    for (let i = 0; i < inputCount; i++) {
      const input = turn[i]!;
      if (isCut && input.seq > this.#to) return;
      if (isVisible(input.type)) this.carried.push(input);
      else if (input.type === 'WorkflowTaskCompleted' && input.meta !== null) {
        deployment = JSON.parse(input.meta) as DeploymentMeta;
      } else if (input.type === 'WorkflowForked') this.#fork(readForkedMeta(input));
    }
    if (isCut && this.#to < nextSeq) return;
    if (notActivated.has(last.type)) return;
    if (this.carried.length === 0) return;
    const inputs = this.carried;
    this.carried = [];
    const recorded = turn.slice(inputCount);
    if (isCut)
      this.#cutOps = opsOf(this.#sandbox.contextOps(), [...inputs, ...recorded.filter(({ seq }) => seq <= this.#to)]);
    const to = isCut ? this.#to : undefined;
    const activation = { at: last.at, inputs, nextSeq, recorded, explains: this.#explains, to, deployment };
    const breakAt = this.#breakAt;
    const isBroken = breakAt !== undefined && breakAt >= inputs[0]!.seq && breakAt <= last.seq;
    this.failure = this.#turns.activate(isBroken ? { ...activation, breakAt } : activation);
    if (this.failure !== undefined) this.failedSeq = nextSeq;
    if (this.#explains) this.#remember(turn);
  }

  #fork(fork: ForkedMeta): void {
    this.failure = engineFault(fork);
    this.#sandbox.become(fork);
  }

  /** In the turn that failed, the code followed only the events before the difference. */
  #remember(turn: readonly HistoryEvent[]): void {
    const { divergence } = this.failure ?? {};
    const followed = divergence === undefined ? turn : turn.filter(({ seq }) => seq < seqOf(divergence));
    this.previous = [...this.previous, ...followed].slice(-previousMax);
  }
}

function opsOf(before: string | null, events: readonly HistoryEvent[]): string[] {
  const patches = events.flatMap(({ type, ops }) => (type === 'ContextPatched' && ops !== null ? ops : []));
  return before === null ? patches : [before, ...patches];
}

function seqOf({ recorded, produced }: Divergence): number {
  return recorded?.seq ?? produced?.seq ?? 0;
}
