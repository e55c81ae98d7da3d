// Signals of a run: handed to their handler, or kept until there is one, for ever if need be.
// Source: Temporal's dispatch and its re-entrant drain (spec/sdk.md 4 A).
import type { HistoryEvent } from '../history/event.ts';
import { decodePayload } from '../history/payload.ts';
import { isReservedName } from './reserved-name.ts';

export type SignalHandler = (...args: never[]) => unknown;
export type DefaultSignalHandler = (signalName: string, ...args: unknown[]) => unknown;

interface Signal {
  readonly name: string;
  readonly payload: Uint8Array | null;
}

export class Signals {
  readonly #handlers = new Map<string, SignalHandler>();
  #defaultHandler: DefaultSignalHandler | undefined;
  readonly #buffered: Signal[] = [];
  /** Runs a handler and routes what it throws or rejects with. */
  readonly #invoke: (handler: () => unknown) => void;

  constructor(invoke: (handler: () => unknown) => void) {
    this.#invoke = invoke;
  }

  receive(event: HistoryEvent): void {
    const signal = { name: event.name ?? '', payload: event.payload };
    if (this.#handles(signal)) this.#dispatch(signal);
    else this.#buffered.push(signal);
  }

  setHandler(name: string, handler: SignalHandler | undefined): void {
    if (handler === undefined) {
      this.#handlers.delete(name);
      return;
    }
    this.#handlers.set(name, handler);
    this.#drain();
  }

  setDefaultHandler(handler: DefaultSignalHandler | undefined): void {
    this.#defaultHandler = handler;
    if (handler !== undefined) this.#drain();
  }

  #handles(signal: Signal): boolean {
    return this.#handlers.has(signal.name) || (this.#defaultHandler !== undefined && !isReservedName(signal.name));
  }

  /** In the order of arrival. Looks anew each time: a handler may set and remove handlers, and so drain itself. */
  #drain(): void {
    while (this.#buffered.length > 0) {
      const index = this.#buffered.findIndex((signal) => this.#handles(signal));
      if (index < 0) return;
      // shift() is cheap where splice() would move the rest of the array.
      const next = index === 0 ? this.#buffered.shift() : this.#buffered.splice(index, 1)[0];
      if (next !== undefined) this.#dispatch(next);
    }
  }

  #dispatch({ name, payload }: Signal): void {
    const args = payload === null ? [] : (decodePayload(payload) as unknown[]);
    const handler = this.#handlers.get(name) as ((...args: unknown[]) => unknown) | undefined;
    const fallback = this.#defaultHandler;
    if (handler !== undefined) this.#invoke(() => handler(...args));
    else if (fallback !== undefined) this.#invoke(() => fallback(name, ...args));
  }
}
