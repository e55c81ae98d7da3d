// The part of a run's history that a replay fork repeats: what reached the code behind the point, turn by turn, and which
// calls have an answer there. Holds no payloads, so that long runs fit. Pure.
import { type EventType, type HistoryEvent, isOutput, type Micros } from '../log/event.ts';
import type { Sha256 } from '../log/hash-chain.ts';
import { isVisible, notActivated } from '../log/visible.ts';
import { type Called, calledBy, endsCall } from './called.ts';

export interface RecordedInput {
  readonly seq: number;
  readonly type: EventType;
  /** Seq of the recorded call that the input answers; null for a message. */
  readonly answers: number | null;
  /** Seqs of the patches that the activity staged with this result. */
  readonly patches: readonly number[];
}

/** The inputs that one activation of the code received. */
export interface RecordedTurn {
  readonly at: Micros;
  readonly inputs: readonly RecordedInput[];
}

export interface RecordedCall extends Called {
  /** The seq of the event that ended it; undefined when the record holds none. */
  end: number | undefined;
}

export class RecordedPart {
  readonly #point: number;
  readonly #sha256: Sha256;
  readonly turns: RecordedTurn[] = [];
  /** Calls behind the point, in order. */
  readonly calls: RecordedCall[] = [];
  /** Calls that were pending at the point. */
  readonly pending: Map<number, RecordedCall> = new Map();
  /** Names and ids of the activities up to the point, in order. */
  readonly activitiesBefore: { readonly name: string; readonly id: string }[] = [];
  /** Activity types whose workers declared them with effect 'none', as completions say. */
  readonly harmless: Set<string> = new Set();
  readonly #bySeq = new Map<number, RecordedCall>();
  #turn: HistoryEvent[] = [];
  /** Inputs that no activation has seen yet. */
  #unseen: RecordedInput[] = [];
  #hasUnseenBefore = false;

  constructor(point: number, sha256: Sha256) {
    this.#point = point;
    this.#sha256 = sha256;
  }

  /** Takes the events in order, with digests in place of the arguments of activities. */
  take(event: HistoryEvent): void {
    const call = calledBy(event, true, this.#sha256);
    if (call !== undefined) this.#call({ ...call, end: undefined });
    else if (event.answers !== null && endsCall(event.type)) this.#end(event);
    this.#turn.push(event);
    if (event.hash === null && event.seq !== this.#point) return;
    const turn = this.#turn;
    this.#turn = [];
    if (event.seq <= this.#point) this.#before(turn);
    else this.#behind(turn);
  }

  /** Call after the last event. */
  finish(): void {
    const last = this.#turn.at(-1);
    if (last !== undefined) this.#collect(this.#turn);
    if (this.#unseen.length > 0) this.turns.push({ at: last?.at ?? this.turns.at(-1)?.at ?? 0, inputs: this.#unseen });
    this.#unseen = [];
  }

  #call(call: RecordedCall): void {
    this.#bySeq.set(call.seq, call);
    if (call.seq > this.#point) {
      this.calls.push(call);
      return;
    }
    this.pending.set(call.seq, call);
    if (call.kind === 'activity') this.activitiesBefore.push({ name: call.name, id: call.id });
  }

  #end({ seq, answers, type, meta }: HistoryEvent): void {
    const call = this.#bySeq.get(answers!);
    if (call === undefined) return;
    this.#bySeq.delete(answers!);
    if (seq <= this.#point) this.pending.delete(call.seq);
    // A timer that the code cancelled has not fired.
    else if (type !== 'TimerCancelled') call.end = seq;
    if (call.kind !== 'activity' || meta === null) return;
    const { effect } = JSON.parse(meta) as { readonly effect?: string };
    if (effect === 'none') this.harmless.add(call.name);
  }

  #before(turn: readonly HistoryEvent[]): void {
    if (turn.some((event) => !isOutput(event) && isVisible(event.type))) this.#hasUnseenBefore = true;
    // The last event before the point may be that of a start, whose turn ends behind the point.
    const last = turn.at(-1)!;
    if (last.hash !== null && !notActivated.has(last.type)) this.#hasUnseenBefore = false;
  }

  #behind(turn: readonly HistoryEvent[]): void {
    this.#collect(turn);
    const { type, at } = turn.at(-1)!;
    if (notActivated.has(type) || (this.#unseen.length === 0 && !this.#hasUnseenBefore)) return;
    this.#hasUnseenBefore = false;
    this.turns.push({ at, inputs: this.#unseen });
    this.#unseen = [];
  }

  #collect(turn: readonly HistoryEvent[]): void {
    for (const event of turn) {
      if (isOutput(event) || !isVisible(event.type)) continue;
      const { seq, type, answers, source } = event;
      if (type !== 'ContextPatched') this.#unseen.push({ seq, type, answers, patches: [] });
      else if (!this.#stage(seq, answers!) && source !== 'system') {
        // A patch of a person answers the event before its turn. A migration repeats itself where the code needs it.
        this.#unseen.push({ seq, type, answers: null, patches: [] });
      }
    }
  }

  /** Adds a patch to the result that it came with. Returns false when it came with none. */
  #stage(seq: number, answers: number): boolean {
    const index = this.#unseen.findLastIndex((input) => input.seq === answers && input.type === 'ActivityCompleted');
    const input = this.#unseen[index];
    if (input === undefined) return false;
    this.#unseen[index] = { ...input, patches: [...input.patches, seq] };
    return true;
  }
}
