// Signals of a run: dispatched to their handler, or buffered until there is one, without a limit in time.
// Source: Temporal's dispatch and its re-entrant drain (spec/sdk.md 4 A).
import type { HistoryEvent } from '../../core/log/event.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import type { HandlerDescription } from './built-in-queries.ts';
import { describeHandlers } from './queries.ts';
import type { HandlerUnfinishedPolicy } from '../../core/run/unfinished-policy.ts';
import type { RunningHandler } from './running-handlers.ts';
import { isReservedName } from '../../core/options/reserved-name.ts';

export type SignalHandler = (...args: never[]) => unknown;
export type DefaultSignalHandler = (signalName: string, ...args: unknown[]) => unknown;

export interface RegisteredSignal {
  readonly handler: SignalHandler;
  readonly policy: HandlerUnfinishedPolicy | undefined;
  readonly description: string | undefined;
}

interface Signal {
  readonly name: string;
  readonly payload: Uint8Array | null;
}

export class Signals {
  readonly #handlers = new Map<string, RegisteredSignal>();
  #defaultHandler: DefaultSignalHandler | undefined;
  readonly #buffered: Signal[] = [];
  /** Runs a handler and routes its error or rejection. */
  readonly #invoke: (handler: () => unknown, task: RunningHandler) => void;

  constructor(invoke: (handler: () => unknown, task: RunningHandler) => void) {
    this.#invoke = invoke;
  }

  receive(event: HistoryEvent): void {
    const signal = { name: event.name ?? '', payload: event.payload };
    if (this.#handles(signal)) this.#dispatch(signal);
    else this.#buffered.push(signal);
  }

  get descriptions(): HandlerDescription[] {
    return describeHandlers(this.#handlers);
  }

  setHandler(name: string, registered: RegisteredSignal | undefined): void {
    if (registered === undefined) {
      this.#handlers.delete(name);
      return;
    }
    this.#handlers.set(name, registered);
    this.#drain();
  }

  setDefaultHandler(handler: DefaultSignalHandler | undefined): void {
    this.#defaultHandler = handler;
    if (handler !== undefined) this.#drain();
  }

  #handles(signal: Signal): boolean {
    return this.#handlers.has(signal.name) || (this.#defaultHandler !== undefined && !isReservedName(signal.name));
  }

  /**
   * Dispatches in the order of arrival. Searches anew each time, because a handler may set and remove handlers and so
   * drain itself.
   */
  #drain(): void {
    while (this.#buffered.length > 0) {
      const index = this.#buffered.findIndex((signal) => this.#handles(signal));
      if (index < 0) return;
      // shift() is cheap, whereas splice() would move the rest of the array.
      const next = index === 0 ? this.#buffered.shift() : this.#buffered.splice(index, 1)[0];
      if (next !== undefined) this.#dispatch(next);
    }
  }

  #dispatch({ name, payload }: Signal): void {
    const args = payload === null ? [] : (decodePayload(payload) as unknown[]);
    const registered = this.#handlers.get(name);
    const handler = registered?.handler as ((...args: unknown[]) => unknown) | undefined;
    const fallback = this.#defaultHandler;
    const task: RunningHandler = { kind: 'signal', name, policy: registered?.policy };
    if (handler !== undefined) this.#invoke(() => handler(...args), task);
    else if (fallback !== undefined) this.#invoke(() => fallback(name, ...args), task);
  }
}
