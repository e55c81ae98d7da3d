// Rebuilds a run from its log: activates every recorded turn again with its own inputs and time, and checks that the
// code issues the same commands. Streams the history, so memory does not grow with it.
import type { Divergence, TaskFailure } from '../core/log/activation.ts';
import type { DeploymentMeta } from '../core/run/deployment.ts';
import { engineFault } from '../core/log/engine-number.ts';
import { type ForkedMeta, readForkedMeta } from '../core/run/forked-meta.ts';
import { type EventType, type HistoryEvent, isOutput } from '../core/log/event.ts';
import type { ActiveRun } from '../sandbox/realm/active-run.ts';
import { isVisible } from '../core/log/visible.ts';

/** Turns that end with one of these were not activated. Their inputs join the next activation. */
const notActivated: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowTaskFailed',
  'WorkflowTaskDeferred',
  'WorkflowTerminated',
  'WorkflowTimedOut',
  'WorkflowPaused',
  'WorkflowResumed',
  'WorkflowForked',
  'WorkflowRolledBack',
  'WorkflowRecovered',
  'RecoveryApplied',
  'PayloadErased',
]);

/** Number of events that a failure's message shows, to locate the failure in the history. */
const previousMax = 3;

/** Feeds a log to workflow code turn by turn. The last event of a turn is the one with a hash. */
export class RunReplay {
  readonly #sandbox: ActiveRun;
  readonly #explains: boolean;
  #turn: HistoryEvent[] = [];
  /** Inputs in the log that no activation has seen: those of failed workflow tasks, and those after the last hash. */
  carried: HistoryEvent[] = [];
  /** Why the code could not follow the log. Nothing is activated after a failure. */
  failure: TaskFailure | undefined;

  /** The last events that the code followed; filled only with `explains`. */
  previous: readonly HistoryEvent[] = [];

  /** `explains`: collects details for a failure's message. Needs the arguments of activities and takes longer. */
  constructor(sandbox: ActiveRun, explains = false) {
    this.#sandbox = sandbox;
    this.#explains = explains;
  }

  take(events: readonly HistoryEvent[]): void {
    for (const event of events) {
      this.#turn.push(event);
      if (event.hash === null) continue;
      const turn = this.#turn;
      this.#turn = [];
      if (this.failure === undefined) this.#replayTurn(turn);
    }
  }

  /** Call after the last event. Returns the events that no hash covers yet. */
  finish(): HistoryEvent[] {
    for (const event of this.#turn) if (isVisible(event.type)) this.carried.push(event);
    return this.#turn;
  }

  #replayTurn(turn: readonly HistoryEvent[]): void {
    const last = turn.at(-1)!;
    let inputCount = turn.findIndex(isOutput);
    if (inputCount < 0) inputCount = turn.length;
    let deployment: DeploymentMeta | undefined;
    for (let i = 0; i < inputCount; i++) {
      const input = turn[i]!;
      if (isVisible(input.type)) this.carried.push(input);
      else if (input.type === 'WorkflowTaskCompleted' && input.meta !== null) {
        deployment = JSON.parse(input.meta) as DeploymentMeta;
      } else if (input.type === 'WorkflowForked') this.#fork(readForkedMeta(input));
    }
    if (notActivated.has(last.type)) return;
    if (this.carried.length === 0) return;
    const inputs = this.carried;
    this.carried = [];
    const nextSeq = turn[0]!.seq + inputCount;
    const activation = { at: last.at, inputs, nextSeq, recorded: turn.slice(inputCount), explains: this.#explains };
    const result = this.#sandbox.activate(deployment === undefined ? activation : { ...activation, deployment });
    if (!result.ok) this.failure = result.failure;
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

function seqOf({ recorded, produced }: Divergence): number {
  return recorded?.seq ?? produced?.seq ?? 0;
}
