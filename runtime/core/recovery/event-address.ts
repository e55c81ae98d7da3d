// The address of an event of a run, as people and programs write it: `type#n`, the n-th call of an activity type or the
// n-th event of an event type, from 1; otherwise the id of an activity. Pure; store/log/find-event.ts finds the event in
// the database, AddressSearch in a log that is read from its start.
import { type ActivityAddress, asActivityId, parseActivityAddress } from './activity-address.ts';
import { type EventType, eventCode, type HistoryEvent } from '../log/event.ts';

export type EventAddress = ActivityAddress | { readonly by: 'event'; readonly type: EventType; readonly n: number };

/** A log in which events are found by their addresses and checkpoints by their names. */
export interface NamedPoints {
  /** Undefined when the log has no such event. */
  seqOfEvent(address: EventAddress): Promise<number | undefined>;
  /** The newest checkpoint of the name; undefined when there is none. */
  seqOfCheckpoint(name: string): Promise<number | undefined>;
}

const numbered = /^(.+)#([1-9]\d{0,8})$/;

/** @throws INVALID_INPUT */
export function eventAddress(text: unknown): EventAddress {
  const [, type, n] = (typeof text === 'string' && numbered.exec(text)) || [];
  if (type !== undefined && Object.hasOwn(eventCode, type))
    return { by: 'event', type: type as EventType, n: Number(n) };
  return parseActivityAddress(text);
}

/** Whether the text has the form `type#n`. */
export function isNumberedAddress(text: string): boolean {
  return numbered.test(text);
}

/** Finds the addressed event (for an activity: its ActivityScheduled) among the events of a log. */
export class AddressSearch {
  readonly #address: EventAddress;
  readonly #id: string | undefined;
  #count = 0;
  #found: number | undefined;
  #foundById: number | undefined;

  constructor(address: EventAddress) {
    this.#address = address;
    const byId = address.by === 'call' ? asActivityId(address) : address;
    this.#id = byId.by === 'id' ? byId.id : undefined;
  }

  /** Call for each event, in order. */
  see({ seq, type, name, meta }: Pick<HistoryEvent, 'seq' | 'type' | 'name' | 'meta'>): void {
    const address = this.#address;
    if (address.by === 'event') {
      if (type === address.type) this.#countTo(address.n, seq);
      return;
    }
    if (type !== 'ActivityScheduled') return;
    if (address.by === 'seq' && address.seq === seq) this.#found = seq;
    if (address.by === 'call' && address.type === name) this.#countTo(address.n, seq);
    // When several activities had the id, one after the other, the last one counts.
    if (this.#id !== undefined && (JSON.parse(meta ?? '{}') as { id?: string }).id === this.#id) this.#foundById = seq;
  }

  /** Undefined when no event has the address. */
  get found(): number | undefined {
    return this.#found ?? this.#foundById;
  }

  #countTo(n: number, seq: number): void {
    this.#count += 1;
    if (this.#count === n) this.#found = seq;
  }
}
