// Rebuilding a run from its log: every recorded turn is activated again with its own inputs and time, and the code must
// ask for the same things. Streams the history, so memory does not grow with it.
import type { TaskFailure } from '../history/activation.ts';
import type { DeploymentMeta } from '../history/deployment.ts';
import { type EventType, type HistoryEvent, isOutput } from '../history/event.ts';
import type { ActiveRun } from '../sandbox/active-run.ts';
import { isVisible } from './live-run.ts';

/** Turns that end so were not activated; what they hold for the code joins the next activation. */
const notActivated: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowTaskFailed',
  'WorkflowTaskDeferred',
  'WorkflowTerminated',
  'WorkflowTimedOut',
]);

/** Feeds a log to workflow code, turn by turn; the last event of a turn is the one that carries a hash. */
export class RunReplay {
  readonly #sandbox: ActiveRun;
  #turn: HistoryEvent[] = [];
  /** Inputs in the log that no activation has seen: of failed workflow tasks, and behind the last hash. */
  carried: HistoryEvent[] = [];
  /** Why the code could not follow the log; nothing is activated from there on. */
  failure: TaskFailure | undefined;

  constructor(sandbox: ActiveRun) {
    this.#sandbox = sandbox;
  }

  /** Takes the next events of the log. */
  take(events: readonly HistoryEvent[]): void {
    for (const event of events) {
      this.#turn.push(event);
      if (event.hash === null) continue;
      const turn = this.#turn;
      this.#turn = [];
      if (this.failure === undefined) this.#replayTurn(turn);
    }
  }

  /** To be called after the last event. Returns the events that no hash covers yet. */
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
      }
    }
    if (notActivated.has(last.type)) return;
    if (this.carried.length === 0) return;
    const inputs = this.carried;
    this.carried = [];
    const nextSeq = turn[0]!.seq + inputCount;
    const activation = { at: last.at, inputs, nextSeq, recorded: turn.slice(inputCount) };
    const result = this.#sandbox.activate(deployment === undefined ? activation : { ...activation, deployment });
    if (!result.ok) this.failure = result.failure;
  }
}
