// The open turn of a run: its time, the commands that code issues, what it logs, how it ends. A run has one such
// object, reopened for each activation. Keeps commands in order and assigns their seqs. Runs no user code.
import type {
  Activation,
  ActivationResult,
  LogLine,
  RejectedUpdate,
  TaskFailure,
  TurnDifference,
} from '../../core/log/activation.ts';
import type { NewEvent, EventType, HistoryEvent, Micros } from '../../core/log/event.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { newEvent } from '../../core/log/new-event.ts';
import { compareOutputs, isDeprecatedMarker } from '../determinism/determinism.ts';
import { divergenceText } from '../determinism/divergence-text.ts';
import { acceptedBytes, countUpdates, inputBytes, outputBytes } from '../info/history-size.ts';

const noInputs: readonly HistoryEvent[] = [];
const noOutputs: readonly NewEvent[] = [];

/** A command that workflow code issued in a turn, before it has a seq. */
export interface Command {
  readonly type: EventType;
  /** Activity type; null where the event has no name. */
  readonly name: string | null;
  /** Called once at the end of the turn, when the event's seq is known, unless the command was undone. */
  toEvent(seq: number): NewEvent;
}

/** A command that nothing refers to after it was issued. */
export class PlainCommand implements Command {
  readonly type: EventType;
  readonly name = null;
  readonly #columns: Parameters<typeof newEvent>[2];
  constructor(type: EventType, columns?: Parameters<typeof newEvent>[2]) {
    this.type = type;
    this.#columns = columns;
  }

  toEvent(seq: number): NewEvent {
    return newEvent(seq, this.type, this.#columns);
  }
}

/**
 * Stands for a recorded version marker that the code no longer asks for. It keeps the marker's position, so that all
 * other commands keep their positions.
 */
class PassedMarker implements Command {
  readonly type = 'VersionMarked';
  readonly name: string | null;
  readonly #event: HistoryEvent;

  constructor(event: HistoryEvent) {
    this.name = event.name;
    this.#event = event;
  }

  toEvent(seq: number): NewEvent {
    return newEvent(seq, 'VersionMarked', { name: this.name, meta: this.#event.meta });
  }
}

export class OpenTurn {
  /** `active`: commands are accepted. `query`: user code is read-only, including code that is still running. */
  #phase: 'idle' | 'active' | 'query' = 'idle';
  #at: Micros = 0;
  #nextSeq = 1;
  #recorded: readonly HistoryEvent[] | undefined;
  #patchCount = 0;
  readonly #commands = new Set<Command>();
  /** Where each command was issued. Set only in an activation with `explains`. */
  #traces: Map<Command, Error> | undefined;
  /** A divergence is told in the result and is not a failure. */
  #reports = false;
  #difference: TurnDifference | undefined;
  /** Outputs behind this seq are not compared. */
  #to: number | undefined;
  #breakAt: number | undefined;
  #terminal: Command | undefined;
  #failure: TaskFailure | undefined;
  #logs: LogLine[] = [];
  /** Size of the log up to this turn's inputs, bytes. */
  #size = 0;
  /** Inputs of this turn, while updates among them may still be rejected. */
  #inputs: readonly HistoryEvent[] = noInputs;
  #closed = false;

  open(activation: Activation): void {
    this.#phase = 'active';
    this.#at = activation.at;
    this.#nextSeq = activation.nextSeq;
    this.#recorded = activation.recorded;
    this.#patchCount = 0;
    this.#inputs = activation.inputs;
    this.#size += inputBytes(activation.inputs);
    this.#traces = activation.explains === true ? new Map() : undefined;
    this.#reports = activation.reports === true;
    this.#to = activation.to;
    this.#breakAt = activation.breakAt;
  }

  /** Nothing can be written while `fn` runs. */
  readOnly<T>(fn: () => T): T {
    const before = this.#phase;
    this.#phase = 'query';
    try {
      return fn();
    } finally {
      this.#phase = before;
    }
  }

  /** Nothing can be written until the next turn opens. */
  openQuery(): void {
    this.#phase = 'query';
  }

  get at(): Micros {
    return this.#at;
  }

  get nowMs(): number {
    return Math.floor(this.#at / 1000);
  }

  /**
   * Number of events in the log before this turn's outputs. Excludes this turn's updates, since a rejected one leaves
   * no event.
   */
  get historyLength(): number {
    return this.#nextSeq - 1 - countUpdates(this.#inputs);
  }

  /** Approximate size in bytes of the events that `historyLength` counts. */
  get historySize(): number {
    return this.#size;
  }

  /** True when this turn is replayed, and during a query that follows a replayed turn. */
  get isOfReplay(): boolean {
    return this.#recorded !== undefined;
  }

  get isReplaying(): boolean {
    return this.#recorded !== undefined && this.#phase !== 'query';
  }

  /** True once the run has a terminal event or its task failed. The run then accepts no more input. */
  get isOver(): boolean {
    return this.#closed || this.#failure !== undefined;
  }

  get isWritable(): boolean {
    return this.#phase === 'active';
  }

  /** @throws READ_ONLY in a query handler, and outside a turn */
  assertWritable(): void {
    if (this.isWritable) return;
    throw new RuntimeError(
      'READ_ONLY',
      'A query handler or an update validator tried to change the run. They are read-only: no timers, activities, ' +
        'context patches or cancellations. Use a signal or an update handler for changes.',
    );
  }

  issue(command: Command): void {
    this.assertWritable();
    this.#traces?.set(command, trace());
    if (command.type === 'ContextPatched') this.#patchCount += 1;
    this.#commands.add(command);
    // The frames above are the code that issues the command.
    if (this.#breakAt === this.#nextSeq + this.#commands.size - 1) debugger;
  }

  /** The recorded event at the next command's position, when the turn is replayed. */
  expected(): HistoryEvent | undefined {
    return this.#recorded?.[this.#commands.size];
  }

  /** True when this turn is replayed and one of its recorded outputs matches. */
  recordHas(isLike: (event: HistoryEvent) => boolean): boolean {
    return this.#recorded?.some(isLike) === true;
  }

  /** The recorded version marker of this turn with this id, when it is replayed. */
  recordedMarker(id: string): HistoryEvent | undefined {
    return this.#recorded?.find((event) => event.type === 'VersionMarked' && event.name === id);
  }

  /** Withdraws a command of this turn: it leaves no event. */
  undo(command: Command): void {
    this.#commands.delete(command);
    this.#traces?.delete(command);
  }

  /** Ends the run. The first terminal command wins and becomes the last event; commands issued after it are kept. */
  close(terminal: Command): void {
    this.#terminal ??= terminal;
  }

  /** The first failure wins. */
  fail(failure: TaskFailure): void {
    this.#failure ??= failure;
  }

  /** False while a recorded turn is replayed: its lines were logged in the original turn. */
  get isLogging(): boolean {
    return this.#recorded === undefined || this.#phase === 'query';
  }

  log(line: LogLine): void {
    this.#logs.push(line);
  }

  takeLogs(): LogLine[] {
    const logs = this.#logs;
    if (logs.length > 0) this.#logs = [];
    return logs;
  }

  /** The recorded event that the next context patch of this turn must match, when the turn is replayed. */
  nextRecordedPatch(): HistoryEvent | undefined {
    let passed = 0;
    return this.#recorded?.find((event) => event.type === 'ContextPatched' && passed++ === this.#patchCount);
  }

  /** The terminal event of this turn so far. */
  get terminal(): EventType | undefined {
    return this.#terminal?.type;
  }

  /** `rejected` updates get no seq, so the seqs of this turn's outputs are lower by the number of rejected updates. */
  conclude(rejected: readonly RejectedUpdate[]): ActivationResult {
    this.#nextSeq -= rejected.length;
    this.#size += acceptedBytes(this.#inputs, rejected);
    this.#inputs = noInputs;
    const opened = this.#phase === 'active';
    this.#phase = 'idle';
    const logs = this.takeLogs();
    const outputs = opened && this.#failure === undefined ? this.#takeOutputs() : noOutputs;
    if (this.#failure !== undefined) return { ok: false, failure: this.#failure, logs };
    const result = { ok: true as const, outputs, logs };
    const difference = this.#difference;
    if (difference !== undefined) {
      this.#difference = undefined;
      return { ...result, difference, rejected };
    }
    return rejected.length === 0 ? result : { ...result, rejected };
  }

  #takeOutputs(): readonly NewEvent[] {
    if (this.#terminal !== undefined) {
      this.#commands.add(this.#terminal);
      this.#terminal = undefined;
      this.#closed = true;
    }
    if (this.#commands.size === 0 && !this.#recorded?.length) return noOutputs;
    if (this.#recorded?.some(isDeprecatedMarker)) this.#passMarkers(this.#recorded);
    const outputs: NewEvent[] = [];
    for (const command of this.#commands) outputs.push(command.toEvent(this.#nextSeq + outputs.length));
    if (this.#recorded !== undefined) this.#compare(this.#recorded, outputs);
    this.#size += outputBytes(this.#recorded ?? outputs);
    this.#commands.clear();
    return outputs;
  }

  /** The code need not ask for recorded markers that are deprecated. These markers keep their positions. */
  #passMarkers(recorded: readonly HistoryEvent[]): void {
    const asked = [...this.#commands];
    this.#commands.clear();
    for (const event of recorded) {
      const isAsked = asked[0]?.type === 'VersionMarked' && asked[0].name === event.name;
      if (isDeprecatedMarker(event) && !isAsked) this.#commands.add(new PassedMarker(event));
      else if (asked.length > 0) this.#commands.add(asked.shift()!);
    }
    for (const command of asked) this.#commands.add(command);
  }

  #compared<T extends NewEvent>(outputs: readonly T[]): readonly T[] {
    return this.#to === undefined ? outputs : outputs.slice(0, Math.max(0, this.#to - this.#nextSeq + 1));
  }

  #compare(recorded: readonly HistoryEvent[], outputs: readonly NewEvent[]): void {
    const divergence = compareOutputs(this.#compared(recorded), this.#compared(outputs));
    if (divergence === undefined) return;
    if (this.#reports) {
      const places = [...this.#commands].map((command) => this.#traces?.get(command)?.stack);
      this.#difference = { divergence, places };
      return;
    }
    const failure = { code: 'DETERMINISM', message: divergenceText(divergence) } as const;
    if (this.#traces === undefined) return this.fail(failure);
    const command = [...this.#commands][divergence.index];
    const stack = command === undefined ? undefined : this.#traces.get(command)?.stack;
    this.fail(stack === undefined ? { ...failure, divergence } : { ...failure, divergence, stack });
  }
}

const traceFramesMax = 50;

function trace(): Error {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = traceFramesMax;
  const error = new Error();
  Error.stackTraceLimit = before;
  return error;
}
