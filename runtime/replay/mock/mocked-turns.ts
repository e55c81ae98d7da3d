// How MOCK_TOOLS activates turns: on recorded results, some of them replaced. With `reports` it goes on behind a
// divergence: it gives the record's answers to the commands that match, and tells what is missing and what is extra.
// Behind the last event it goes on as far as it has answers. Enters no activity, writes nothing.
import type { Activation, PendingCall, TaskFailure } from '../../core/log/activation.ts';
import type { EventType, HistoryEvent, Micros, NewEvent } from '../../core/log/event.ts';
import { newEvent } from '../../core/log/new-event.ts';
import { isVisible } from '../../core/log/visible.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import { differenceText } from '../../sandbox/stacks/explained-failure.ts';
import { CallMatching, callText, describedCall } from './call-matching.ts';
import type { ReplayCall, ReplayDivergence } from '../report.ts';
import type { ResultMocks } from './result-mocks.ts';
import type { TurnActivation } from '../run-replay.ts';

export interface MockedTurnRules {
  readonly mocks: ResultMocks;
  /** Goes on behind a divergence. */
  readonly reports: boolean;
  /** Result, encoded, of an activity that the log does not hold; undefined: the code waits for it for ever. */
  readonly stub: Uint8Array | null | undefined;
}

/** Limit of activations that the log does not hold, because code may call for ever. */
const ownTurnsMax = 10_000;

const terminalTypes: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowCancelled',
  'WorkflowContinuedAsNew',
]);

export class MockedTurns implements TurnActivation {
  readonly #sandbox: ActiveRun;
  readonly #rules: MockedTurnRules;
  readonly #matching = new CallMatching();
  /** Answers to recorded commands that the code has not issued yet, by the seq of the command. */
  readonly #held = new Map<number, HistoryEvent[]>();
  readonly divergences: ReplayDivergence[] = [];
  /** What the code does behind the last event. */
  readonly next: ReplayCall[] = [];
  #hasDiverged = false;
  #isPastLog = false;
  /** The code has issued its last command. */
  #isOver = false;
  #lastSeq = 0;
  #head = 0;
  #ownTurns = 0;

  constructor(sandbox: ActiveRun, rules: MockedTurnRules) {
    this.#sandbox = sandbox;
    this.#rules = rules;
  }

  get hasDiverged(): boolean {
    return this.#hasDiverged;
  }

  /** The code has ended the run. */
  get isOver(): boolean {
    return this.#isOver;
  }

  missing(): ReplayCall[] {
    return this.#matching.missing();
  }

  extra(): ReplayCall[] {
    return this.#matching.extra();
  }

  activate(activation: Activation): TaskFailure | undefined {
    const { recorded = [] } = activation;
    this.#rules.mocks.schedule(recorded);
    const inputs = this.#rules.mocks.apply(activation.inputs);
    const mocked = inputs === activation.inputs ? activation : { ...activation, inputs };
    if (this.#hasDiverged) return this.#follow(mocked);
    return this.#rules.reports ? this.#compare(mocked) : this.#exact(mocked);
  }

  /**
   * Goes on behind the last event of the log. `unseen`: inputs of the log that no activation has seen. `at`: time of the
   * last event. Returns why the code could not continue.
   */
  goOn(unseen: readonly HistoryEvent[], at: Micros, head: number): TaskFailure | undefined {
    this.#isPastLog = true;
    this.#head = head;
    this.#lastSeq = Math.max(this.#lastSeq, head);
    const inputs = this.#known(this.#rules.mocks.apply(unseen));
    const failure = inputs.length === 0 ? undefined : this.#own(inputs, at);
    return failure ?? this.#deliver(at) ?? this.#answerRest(at);
  }

  #exact(activation: Activation): TaskFailure | undefined {
    const result = this.#sandbox.activate(activation);
    if (!result.ok) return result.failure;
    const last = activation.recorded?.at(-1);
    if (last !== undefined && terminalTypes.has(last.type)) this.#isOver = true;
    return undefined;
  }

  #compare(activation: Activation): TaskFailure | undefined {
    const result = this.#sandbox.activate({ ...activation, reports: true, explains: true });
    if (!result.ok) return result.failure;
    const { difference, outputs } = result;
    this.#noteOver(outputs);
    if (difference === undefined) return undefined;
    this.#hasDiverged = true;
    const { divergence, places } = difference;
    const { index } = divergence;
    const place = places[index];
    this.divergences.push(divergenceOf(place === undefined ? divergence : { ...divergence, place }));
    const { at, nextSeq, to = Number.POSITIVE_INFINITY, recorded = [] } = activation;
    for (const event of recorded.slice(index)) {
      if (event.seq <= to) this.#matching.record(event, { at, isRecorded: true, isApproximate: false });
    }
    this.#lastSeq = nextSeq + Math.max(recorded.length, outputs.length) - 1;
    for (const [i, event] of outputs.entries()) {
      if (i >= index) this.#produced(event, { at, place: places[i], isApproximate: false });
    }
    return this.#deliver(at);
  }

  /** A turn of the log behind the first divergence. */
  #follow(activation: Activation): TaskFailure | undefined {
    const { at, recorded = [], to = Number.POSITIVE_INFINITY } = activation;
    for (const event of recorded) {
      if (event.seq <= to) this.#matching.record(event, { at, isRecorded: true, isApproximate: true });
    }
    const inputs = this.#known(activation.inputs);
    this.#lastSeq = Math.max(this.#lastSeq, activation.nextSeq - 1);
    const failure = inputs.length === 0 ? undefined : this.#own(inputs, at, recorded);
    return failure ?? this.#deliver(at);
  }

  /** Inputs with the seqs that the code knows. Keeps back answers to commands that the code has not issued. */
  #known(inputs: readonly HistoryEvent[]): HistoryEvent[] {
    const known: HistoryEvent[] = [];
    for (const input of inputs) {
      if (!isVisible(input.type)) continue;
      // A patch from outside answers the event that caused it, not a command.
      const { answers } = input;
      if (answers === null || input.type === 'ContextPatched') {
        known.push(input);
        continue;
      }
      const seq = this.#matching.seqOf(answers);
      if (seq !== undefined) known.push({ ...input, answers: seq });
      else {
        const held = this.#held.get(answers);
        if (held === undefined) this.#held.set(answers, [input]);
        else held.push(input);
      }
    }
    return known;
  }

  /** Activates the code in a turn that the log does not hold in this form. */
  #own(inputs: readonly HistoryEvent[], at: Micros, recorded: readonly HistoryEvent[] = []): TaskFailure | undefined {
    if (this.#isOver) return undefined;
    this.#ownTurns += 1;
    const activation = { at, inputs, nextSeq: this.#lastSeq + 1, explains: true, reports: true };
    // Behind the log the turn is new, as it would be on a worker.
    const result = this.#sandbox.activate(this.#isPastLog ? activation : { ...activation, recorded });
    if (!result.ok) return result.failure;
    const { outputs, difference } = result;
    this.#lastSeq += outputs.length;
    this.#noteOver(outputs);
    for (const [i, event] of outputs.entries()) {
      this.#produced(event, { at, place: difference?.places[i], isApproximate: true });
    }
    return undefined;
  }

  #produced(event: NewEvent, facts: { at: Micros; place: string | undefined; isApproximate: boolean }): void {
    if (this.#isPastLog && !this.#hasDiverged) {
      this.next.push({ ...describedCall(event), ...(facts.place === undefined ? {} : { place: facts.place }) });
    } else this.#matching.produce(event, { ...facts, isRecorded: false });
  }

  /** Gives the code the answers that were kept back for commands that it has issued meanwhile, and its due timers. */
  #deliver(at: Micros): TaskFailure | undefined {
    while (!this.#isOver && this.#ownTurns < ownTurnsMax) {
      const inputs = [...this.#released(), ...this.#dueTimers(at)];
      if (inputs.length === 0) return undefined;
      const failure = this.#own(inputs, at);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  #released(): HistoryEvent[] {
    const released: HistoryEvent[] = [];
    for (const [recorded, inputs] of this.#held) {
      const seq = this.#matching.seqOf(recorded);
      if (seq === undefined) continue;
      this.#held.delete(recorded);
      released.push(...inputs.map((input) => ({ ...input, answers: seq })));
    }
    return released;
  }

  /** Timers that the log does not hold fire in recorded time. */
  #dueTimers(at: Micros): HistoryEvent[] {
    if (!this.#passesTime) return [];
    return this.#ownTimers()
      .filter(({ due }) => due !== null && due <= at)
      .map(({ seq }) => answer(seq, 'TimerFired', at, null));
  }

  get #passesTime(): boolean {
    return this.#matching.hasExtra || (this.#isPastLog && this.#rules.stub !== undefined);
  }

  #ownTimers(): PendingCall[] {
    const all = this.#isPastLog && this.#rules.stub !== undefined;
    return this.#sandbox
      .pendingCalls()
      .filter(({ type, seq }) => type === 'TimerStarted' && (all || this.#matching.isExtra(seq)));
  }

  /** Answers what the log never answers: mocks first, then stubs; when nothing else is left, time passes. */
  #answerRest(from: Micros): TaskFailure | undefined {
    for (let at = from; !this.#isOver && this.#ownTurns < ownTurnsMax; ) {
      const results = this.#ownResults(at);
      if (results.length === 0) {
        const next = this.#passesTime ? firstDue(this.#ownTimers()) : undefined;
        if (next === undefined) return undefined;
        at = Math.max(at, next);
      }
      const failure = (results.length === 0 ? undefined : this.#own(results, at)) ?? this.#deliver(at);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  #ownResults(at: Micros): HistoryEvent[] {
    const results: HistoryEvent[] = [];
    for (const call of this.#sandbox.pendingCalls()) {
      if (call.type !== 'ActivityScheduled') continue;
      const isRecorded = !this.#hasDiverged && call.seq <= this.#head;
      const mock = this.#rules.mocks.answer(call, isRecorded);
      const payload = mock === undefined ? this.#rules.stub : mock.payload;
      if (payload === undefined) continue;
      results.push(answer(call.seq, mock?.failed === true ? 'ActivityFailed' : 'ActivityCompleted', at, payload));
    }
    return results;
  }

  #noteOver(outputs: readonly NewEvent[]): void {
    const last = outputs.at(-1);
    if (last !== undefined && terminalTypes.has(last.type)) this.#isOver = true;
  }
}

function answer(seq: number, type: EventType, at: Micros, payload: Uint8Array | null): HistoryEvent {
  return { ...newEvent(0, type, { answers: seq, payload }), at, hash: null };
}

function firstDue(timers: readonly PendingCall[]): Micros | undefined {
  return timers.length === 0 ? undefined : Math.min(...timers.map(({ due }) => due ?? 0));
}

/** A divergence as the report tells it. */
export function divergenceOf(divergence: Parameters<typeof differenceText>[0], message?: string): ReplayDivergence {
  const { kind, recorded, produced, place } = divergence;
  return {
    seq: recorded?.seq ?? produced?.seq ?? 0,
    kind,
    code: 'DETERMINISM',
    // The payload of a recorded activity is the digest of its arguments, which cannot be shown.
    message:
      message ??
      differenceText(recorded === undefined ? divergence : { ...divergence, recorded: { ...recorded, payload: null } }),
    ...(recorded === undefined ? {} : { recorded: callText(describedCall(recorded)) }),
    ...(produced === undefined ? {} : { produced: callText(describedCall(produced)) }),
    ...(place === undefined ? {} : { place }),
  };
}
