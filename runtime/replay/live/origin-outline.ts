// What a replay with live activities must know about its origin before it begins: where it can be forked, which calls it
// made, and what they cost. One pass over the log, without payloads.
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { GivenResults, type GivenResult } from '../../core/live-replay/replay-policy.ts';
import type { ScheduledMeta } from '../../core/log/activation.ts';
import { closingTypes } from '../../core/log/event-groups.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { HistoryPages } from '../../core/log/history-source.ts';
import { closesRun } from '../../core/log/transition.ts';
import { parseActivityAddress } from '../../core/recovery/activity-address.ts';
import { costOf } from './call-cost.ts';

export interface OutlinedCall {
  readonly seq: number;
  readonly name: string;
  readonly id: string;
  /** Seq of the event that ended it. */
  end: number | undefined;
  usd: number;
  /** Its worker declared it with effect 'none'. */
  isHarmless: boolean;
}

const closing: ReadonlySet<string> = new Set(closingTypes);

export class OriginOutline {
  readonly runId: string;
  readonly head: number;
  readonly calls: OutlinedCall[] = [];
  readonly #children = new Set<string>();
  /** Ends of turns, and the end of what the start wrote. The turn that closed the run is left out. */
  readonly #points: number[] = [];

  private constructor({ runId, head }: HistoryPages) {
    this.runId = runId;
    this.head = head;
  }

  static async of(source: HistoryPages): Promise<OriginOutline> {
    const outline = new OriginOutline(source);
    const open = new Map<number, OutlinedCall>();
    for await (const page of source.pages()) for (const event of page) outline.#take(event, open);
    return outline;
  }

  #take(event: HistoryEvent, open: Map<number, OutlinedCall>): void {
    const { seq, type, hash, answers, name, meta } = event;
    if (seq === 1) this.#points.push(1);
    // The context that a start hands over belongs to the start.
    else if (seq === 2 && type === 'ContextPatched' && answers === 1 && hash === null) this.#points[0] = 2;
    if (hash !== null && !closes(event)) this.#points.push(seq);
    if (type === 'ActivityScheduled') {
      const { id = String(seq) } = JSON.parse(meta ?? '{}') as Partial<ScheduledMeta>;
      const call: OutlinedCall = { seq, name: name ?? '', id, end: undefined, usd: 0, isHarmless: false };
      this.calls.push(call);
      open.set(seq, call);
    } else if (type === 'ChildWorkflowInitiated') {
      if (name !== null) this.#children.add(name);
    } else if (answers !== null && closing.has(type)) {
      const call = open.get(answers);
      if (call === undefined) return;
      open.delete(answers);
      call.end = seq;
      call.usd = costOf(meta);
      call.isHarmless = (JSON.parse(meta ?? '{}') as { effect?: string }).effect === 'none';
    }
  }

  /** Right after the start. */
  get first(): number {
    return this.#points[0]!;
  }

  /** The latest point at or before an event. @throws INVALID_INPUT */
  at(seq: number): number {
    const point = this.#points.findLast((each) => each <= seq);
    if (point !== undefined && seq <= this.head) return point;
    throw this.#invalid(`there is no point at or before event ${seq}; the run has the events 1 to ${this.head}`);
  }

  /** The latest point before a step. @throws INVALID_INPUT */
  before(address: number | string): number {
    const step = parseActivityAddress(address);
    if (step.by === 'seq') return this.at(step.seq - 1);
    const call =
      step.by === 'call'
        ? this.calls.filter(({ name }) => name === step.type)[step.n - 1]
        : this.calls.findLast(({ id }) => id === step.id);
    if (call !== undefined) return this.at(call.seq - 1);
    if (step.by === 'id' && step.seq !== undefined) return this.at(step.seq - 1);
    throw this.#invalid(`it has no step ${JSON.stringify(address)}`);
  }

  /** The latest point at which none of the replaced results has been used yet. @throws INVALID_INPUT */
  beforeResults(results: readonly GivenResult[]): number {
    const given = new GivenResults(results);
    const ends: number[] = [];
    const unused = new Set(results.map(({ key }) => key));
    for (const { name, id, end } of this.calls) {
      const result = given.find(name, id);
      if (result === undefined) continue;
      unused.delete(result.key);
      ends.push(end ?? this.head);
    }
    if (unused.size > 0) {
      throw this.#invalid(
        `no call of the run has the name ${[...unused].join(', ')}. Use an activity type, type#n for its n-th call, or an activity id`,
      );
    }
    return ends.length === 0 ? this.first : this.at(Math.max(this.first, Math.min(...ends) - 1));
  }

  /** @throws NOT_SUPPORTED when one of these types is that of a child, and of no activity */
  assertNoChildren(live: readonly string[]): void {
    const children = live.filter((type) => this.#children.has(type) && this.calls.every(({ name }) => name !== type));
    if (children.length === 0) return;
    throw new RuntimeError(
      'NOT_SUPPORTED',
      `replay: live names ${children.join(', ')}, which run ${this.runId} starts as a child workflow. A replay starts no ` +
        'children: they come from the record. Name activities only.',
      { runId: this.runId },
    );
  }

  #invalid(problem: string): RuntimeError {
    const text = `Run ${this.runId} cannot be replayed like that: ${problem}.`;
    return new RuntimeError('INVALID_INPUT', text, { runId: this.runId });
  }
}

function closes({ type }: HistoryEvent): boolean {
  return type === 'PayloadErased' || closesRun(type);
}
