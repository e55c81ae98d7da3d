// Results that replace recorded ones: which recorded result each of them replaces, and what the report says about it.
import type { PendingCall, ScheduledMeta } from '../../core/log/activation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { MockedCall } from '../report.ts';

/** A result for an activity, encoded. `failed`: the payload is a failure. */
export interface ResultMock {
  /** An activity type, `type#n` (the n-th call of the type, from 1), or an activity id. The most exact one wins. */
  readonly key: string;
  readonly payload: Uint8Array;
  readonly failed: boolean;
}

/** Ends of an activity that a mock replaces. A cancelled activity stays cancelled. */
const replaced: ReadonlySet<string> = new Set(['ActivityCompleted', 'ActivityFailed', 'ActivityTimedOut']);

export class ResultMocks {
  readonly #byKey: ReadonlyMap<string, ResultMock>;
  readonly #seqs = new Map<string, number[]>();
  /** Mocks of scheduled activities that have no result yet, by the seq of the record. */
  readonly #waiting = new Map<number, ResultMock>();
  /** Mocks, or their absence, of calls that the record does not hold. */
  readonly #own = new Map<number, ResultMock | undefined>();
  readonly #counts = new Map<string, number>();

  constructor(mocks: readonly ResultMock[]) {
    this.#byKey = new Map(mocks.map((mock) => [mock.key, mock]));
  }

  /** Notes the activities that a turn schedules. */
  schedule(outputs: readonly HistoryEvent[]): void {
    if (this.#byKey.size === 0) return;
    for (const event of outputs) {
      if (event.type !== 'ActivityScheduled') continue;
      const mock = this.#find(event.name ?? '', (JSON.parse(event.meta ?? '{}') as Partial<ScheduledMeta>).id ?? '');
      if (mock !== undefined) this.#waiting.set(event.seq, mock);
    }
  }

  /** The inputs with replaced results. */
  apply(inputs: readonly HistoryEvent[]): readonly HistoryEvent[] {
    if (this.#waiting.size === 0) return inputs;
    return inputs.map((input) => this.#applied(input));
  }

  /** The mock for a call that the record does not answer. `isRecorded`: the record holds the call, with this seq. */
  answer({ seq, name, id }: PendingCall, isRecorded: boolean): ResultMock | undefined {
    const mock = isRecorded ? this.#waiting.get(seq) : this.#ownMock(seq, name ?? '', id ?? '');
    if (mock !== undefined) this.#note(mock, seq);
    return mock;
  }

  #ownMock(seq: number, name: string, id: string): ResultMock | undefined {
    if (!this.#own.has(seq)) this.#own.set(seq, this.#find(name, id));
    return this.#own.get(seq);
  }

  get used(): MockedCall[] {
    return [...this.#byKey.keys()].map((mock) => ({ mock, seqs: this.#seqs.get(mock) ?? [] }));
  }

  #find(name: string, id: string): ResultMock | undefined {
    const nth = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, nth);
    return this.#byKey.get(`${name}#${nth}`) ?? this.#byKey.get(id) ?? this.#byKey.get(name);
  }

  #applied(input: HistoryEvent): HistoryEvent {
    const mock = input.answers === null || !replaced.has(input.type) ? undefined : this.#waiting.get(input.answers);
    if (mock === undefined) return input;
    this.#waiting.delete(input.answers!);
    this.#note(mock, input.seq);
    return { ...input, type: mock.failed ? 'ActivityFailed' : 'ActivityCompleted', payload: mock.payload, meta: null };
  }

  #note({ key }: ResultMock, seq: number): void {
    const seqs = this.#seqs.get(key);
    if (seqs === undefined) this.#seqs.set(key, [seq]);
    else seqs.push(seq);
  }
}
