// The course of a replay fork: which of its calls the record answers, which are entered, and what reaches its code next.
// Folds the record and the fork's own log, so a new owner arrives at the same course. Pure: its owner carries out the
// steps.
//
// The inputs come in the order of the record. While a call that the record ends next is under way, everything behind it
// waits. When the code makes another call than the record, the fork has diverged: from then on a timer fires by its due
// time, and messages and timers wait until nothing is under way.
import { decodeFailureInfo } from '../failure/failure-info.ts';
import type { EventType, HistoryEvent, Micros } from '../log/event.ts';
import type { Sha256 } from '../log/hash-chain.ts';
import { type Called, calledBy, endsCall } from './called.ts';
import type { RecordedCall, RecordedInput, RecordedPart } from './recorded-part.ts';
import {
  type GivenResult,
  GivenResults,
  notLiveType,
  type ReplayedMeta,
  type ReplayPolicy,
  type ReplayStop,
  type StoppedCall,
} from './replay-policy.ts';

/** Knows which functions there are, and what they declare. */
export interface LiveRule {
  /** Whether a call of an activity may be entered. `undeclared`: nobody has declared it harmless or named it. */
  verdictOn(call: Called): 'live' | 'undeclared' | 'unsafe';
  /** Whether a call belongs to the share that is entered. */
  isSampled(call: Called): boolean;
}

/** An input for the fork. */
export interface PlannedInput {
  readonly type: EventType;
  /** Seq of the fork's call; null for a message. */
  readonly answers: number | null;
  /** The event of the record that it repeats. */
  readonly from: RecordedInput | undefined;
  /** Takes the place of the recorded result. */
  readonly given: GivenResult | undefined;
}

export type ReplayMove =
  /** Inputs of one turn. There may be none: then the code receives what no activation has seen yet. */
  | { readonly kind: 'inputs'; readonly at: Micros; readonly inputs: readonly PlannedInput[] }
  | { readonly kind: 'timer'; readonly at: Micros; readonly seq: number }
  /** Calls are under way. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'stop'; readonly stop: ReplayStop };

/** A call of the fork that has not ended. */
interface OpenCall extends Called {
  readonly recorded: RecordedCall | undefined;
  /** `live`: entered. `record`: the record answers it, or leaves it pending. */
  readonly by: 'live' | 'record' | 'given';
  readonly given: GivenResult | undefined;
}

export class ReplayCourse {
  readonly #part: RecordedPart;
  readonly #policy: ReplayPolicy;
  readonly #rule: LiveRule;
  readonly #sha256: Sha256;
  readonly #results: GivenResults;
  /** Calls of the record that the fork has not made, by key, in order. */
  readonly #unmade = new Map<string, RecordedCall[]>();
  /** Seq of the recorded call → seq of the fork's call. */
  readonly #seqs = new Map<number, number>();
  readonly #open = new Map<number, OpenCall>();
  readonly #timers = new Map<number, OpenCall>();
  /** Recorded answers to calls that the fork had not made when their turn came, by the seq of the recorded call. */
  readonly #held = new Map<number, RecordedInput[]>();
  /** Seqs of recorded events that the fork has received. */
  readonly #received = new Set<number>();
  #ready: PlannedInput[] = [];
  #next = 0;
  #live = 0;
  #now: Micros = 0;
  #stopped: StoppedCall[] = [];
  #stop: ReplayStop | undefined;
  #hasDiverged = false;

  constructor(
    part: RecordedPart,
    policy: ReplayPolicy,
    { results, rule, sha256 }: { results: readonly GivenResult[]; rule: LiveRule; sha256: Sha256 },
  ) {
    this.#part = part;
    this.#policy = policy;
    this.#rule = rule;
    this.#sha256 = sha256;
    this.#results = new GivenResults(results);
    for (const { name, id } of part.activitiesBefore) {
      const given = this.#results.find(name, id);
      if (given !== undefined) this.#givenBefore.set(id, given);
    }
    for (const call of part.calls) {
      const queue = this.#unmade.get(call.key);
      if (queue === undefined) this.#unmade.set(call.key, [call]);
      else queue.push(call);
    }
  }

  readonly #givenBefore = new Map<string, GivenResult>();

  get hasDiverged(): boolean {
    return this.#hasDiverged;
  }

  /** Whether the fork's call with this seq is entered. */
  isLive(seq: number): boolean {
    return this.#open.get(seq)?.by === 'live';
  }

  /** Takes the fork's own events in order. `isDigest`: the payload of an ActivityScheduled is a digest. */
  record(event: HistoryEvent, isDigest: boolean): void {
    const { type, answers, meta } = event;
    this.#now = event.at;
    if (type === 'WorkflowForked') return this.#begin();
    if (type === 'WorkflowTaskFailed') {
      this.#stop ??= { why: 'task-failed', calls: [], message: event.reason ?? 'The workflow task failed.' };
    }
    const call = calledBy(event, isDigest, this.#sha256);
    if (call !== undefined) return this.#called(call);
    const { from } = JSON.parse(meta ?? '{}') as ReplayedMeta;
    if (from !== undefined) this.#received.add(from.seq);
    if (answers === null) return;
    if (type === 'ActivityCancelRequested') this.#cancelled(answers);
    else if (endsCall(type)) this.#ended(answers);
  }

  /**
   * Why the fork must stop instead of taking this input; undefined when it may take it. The worker that executes a call
   * knows the function, and may refuse to enter it.
   */
  stopAt(type: EventType, answers: number | null, payload: Uint8Array | null): ReplayStop | undefined {
    if (type !== 'ActivityFailed' || payload === null || answers === null || !this.isLive(answers)) return undefined;
    if (!isRefused(payload)) return undefined;
    return { why: 'not-live', calls: [{ ...stopped(this.#open.get(answers)!), problem: 'undeclared' }] };
  }

  /** The recorded time of the turn that received the answer to this call; undefined when there is none. */
  recordedTimeOf(answers: number | null): Micros | undefined {
    const { recorded } = (answers === null ? undefined : this.#open.get(answers)) ?? {};
    if (recorded?.end === undefined || this.#hasDiverged) return undefined;
    const { end } = recorded;
    for (let index = this.#next; index < this.#part.turns.length; index++) {
      const { at, inputs } = this.#part.turns[index]!;
      if (inputs.some(({ seq }) => seq === end)) return at;
      if ((inputs[0]?.seq ?? 0) > end) return undefined;
    }
    return undefined;
  }

  /** What to do next, when all earlier inputs are in the fork's log. `hasUnseen`: no activation has seen some of them. */
  next(hasUnseen: boolean): ReplayMove {
    if (this.#stopped.length > 0) this.#stop ??= { why: 'not-live', calls: this.#stopped };
    if (this.#stop !== undefined) return { kind: 'stop', stop: this.#stop };
    const inputs = this.#ready.filter(({ answers }) => this.#open.has(answers ?? 0));
    this.#ready = [];
    if (inputs.length > 0) return { kind: 'inputs', at: this.#now, inputs };
    for (;;) {
      const turn = this.#part.turns[this.#next];
      const earliest = this.#earliestTimer();
      const timer = turn === undefined || (earliest?.due ?? turn.at) < turn.at ? earliest : undefined;
      // In real time, a timer may be faster than a call that is under way.
      const isRace = timer !== undefined && this.#policy.realTime === true;
      if (this.#live > 0 && (this.#hasDiverged || timer !== undefined) && !isRace) return { kind: 'wait' };
      if (timer !== undefined) return { kind: 'timer', at: Math.max(timer.due, this.#now), seq: timer.seq };
      if (turn === undefined) return this.#atEnd(hasUnseen);
      const recorded = this.#inputsOf(turn.inputs);
      if (recorded === undefined) return { kind: 'wait' };
      this.#next += 1;
      if (recorded.length > 0 || hasUnseen) return { kind: 'inputs', at: turn.at, inputs: recorded };
    }
  }

  #begin(): void {
    for (const call of this.#part.pending.values()) {
      this.#seqs.set(call.seq, call.seq);
      const given = call.kind === 'activity' ? this.#givenBefore.get(call.id) : undefined;
      this.#add(call, call, given);
    }
  }

  #called(call: Called): void {
    const given = call.kind === 'activity' ? this.#results.find(call.name, call.id) : undefined;
    const recorded = this.#match(call);
    // A timer that differs may only mean that the code runs a little later than the record.
    if (recorded === undefined && call.kind !== 'timer') this.#hasDiverged = true;
    this.#add(call, recorded, given);
  }

  /** Behind the divergence, recorded timers say nothing about those of the code. */
  #match(call: Called): RecordedCall | undefined {
    if (call.kind === 'timer' && this.#hasDiverged) return undefined;
    const recorded = this.#unmade.get(call.key)?.shift();
    if (recorded !== undefined) this.#seqs.set(recorded.seq, call.seq);
    return recorded;
  }

  #add(call: Called, recorded: RecordedCall | undefined, given: GivenResult | undefined): void {
    const open: OpenCall = { ...call, recorded, given, by: this.#byWhom(call, recorded, given) };
    this.#open.set(call.seq, open);
    if (call.kind === 'timer' && recorded?.end === undefined) this.#timers.set(call.seq, open);
    if (open.by === 'live') {
      this.#live += 1;
      return;
    }
    if (open.by === 'given' && recorded?.end === undefined) this.#ready.push(this.#resultOf(open, undefined));
    if (call.kind === 'message' && recorded?.end === undefined) this.#ready.push(delivered(call));
    const held = recorded === undefined ? undefined : this.#held.get(recorded.seq);
    for (const input of held ?? []) this.#ready.push(this.#resultOf(open, input));
    if (recorded !== undefined) this.#held.delete(recorded.seq);
  }

  #byWhom(call: Called, recorded: RecordedCall | undefined, given: GivenResult | undefined): OpenCall['by'] {
    if (call.kind === 'timer' || call.kind === 'message') return 'record';
    if (given !== undefined) return 'given';
    if (call.kind === 'child') {
      // A child would be an ordinary run, which enters whatever its code calls. So only the record answers.
      if (recorded === undefined) this.#stopped.push({ ...stopped(call), problem: 'undeclared' });
      return 'record';
    }
    const isAnswered = recorded?.end !== undefined;
    if (isAnswered && this.#policy.recordFirst === true) return 'record';
    const verdict = this.#rule.verdictOn(call);
    if (verdict === 'live') return isAnswered && !this.#rule.isSampled(call) ? 'record' : 'live';
    // The record may hold a call that never ended: then the fork waits for it as the origin did.
    if (recorded === undefined) this.#stopped.push({ ...stopped(call), problem: verdict });
    return 'record';
  }

  #ended(seq: number): void {
    if (this.#open.get(seq)?.by === 'live') this.#live -= 1;
    this.#open.delete(seq);
    this.#timers.delete(seq);
  }

  /** The record holds no end of a call that was cancelled, so nothing else would answer it. */
  #cancelled(seq: number): void {
    const open = this.#open.get(seq);
    if (open?.by !== 'record' || open.recorded?.end !== undefined) return;
    this.#ready.push({ type: 'ActivityCancelled', answers: seq, from: undefined, given: undefined });
  }

  /** Undefined while a call that one of the inputs ends in the record is under way. */
  #inputsOf(recorded: readonly RecordedInput[]): PlannedInput[] | undefined {
    const inputs: PlannedInput[] = [];
    const held: RecordedInput[] = [];
    for (const input of recorded) {
      const { seq, answers, type } = input;
      if (this.#received.has(seq)) continue;
      if (answers === null) {
        inputs.push({ type, answers, from: input, given: undefined });
        continue;
      }
      const own = this.#seqs.get(answers);
      if (own === undefined) {
        held.push(input);
        continue;
      }
      const open = this.#open.get(own);
      if (open === undefined) continue;
      if (open.by === 'live') return undefined;
      inputs.push(this.#resultOf(open, input));
    }
    for (const input of held) this.#hold(input);
    return inputs;
  }

  #hold(input: RecordedInput): void {
    this.#hasDiverged = true;
    const held = this.#held.get(input.answers!);
    if (held === undefined) this.#held.set(input.answers!, [input]);
    else held.push(input);
  }

  #resultOf({ seq, given }: OpenCall, from: RecordedInput | undefined): PlannedInput {
    if (given === undefined) return { type: from!.type, answers: seq, from, given };
    return { type: given.failed ? 'ActivityFailed' : 'ActivityCompleted', answers: seq, from, given };
  }

  #earliestTimer(): OpenCall | undefined {
    let earliest: OpenCall | undefined;
    for (const timer of this.#timers.values()) if (earliest === undefined || timer.due < earliest.due) earliest = timer;
    return earliest;
  }

  #atEnd(hasUnseen: boolean): ReplayMove {
    if (hasUnseen) return { kind: 'inputs', at: this.#now, inputs: [] };
    if (this.#live > 0) return { kind: 'wait' };
    return { kind: 'stop', stop: { why: 'end-of-log', calls: Array.from(this.#open.values(), stopped) } };
  }
}

function stopped({ kind, seq, name, id }: Called): StoppedCall {
  return { kind, seq, name, id };
}

/** A replay fork sends no message, and tells its code that it has. */
function delivered({ seq, key }: Called): PlannedInput {
  const isSignal = key.startsWith('["ExternalSignalInitiated"');
  const type = isSignal ? 'ExternalSignalDelivered' : 'ExternalCancelDelivered';
  return { type, answers: seq, from: undefined, given: undefined };
}

/** Whether the executing worker refused to enter the function. */
function isRefused(payload: Uint8Array): boolean {
  const info = decodeFailureInfo(payload);
  return info.kind === 'application' && info.type === notLiveType;
}
