// The handlers of one kind of message, signals or updates: dispatches each message to its handler, or buffers it until
// there is one. Does not run handlers.
// Source: Temporal's dispatch and its re-entrant drain (behaviors 1 to 8 in docs/behaviors.md).
import { isReservedName } from '../../core/options/reserved-name.ts';
import type { HandlerUnfinishedPolicy } from '../../core/run/unfinished-policy.ts';
import type { HandlerDescription } from './built-in-queries.ts';
import { describeHandlers } from './queries.ts';

export interface Registered<Handler> {
  readonly handler: Handler;
  readonly policy: HandlerUnfinishedPolicy | undefined;
  readonly description: string | undefined;
}

type DefaultHandler = (name: string, ...args: unknown[]) => unknown;

export abstract class MessageHandlers<Message extends { readonly name: string }, R extends Registered<unknown>> {
  readonly #handlers = new Map<string, R>();
  #defaultHandler: DefaultHandler | undefined;
  #buffered: Message[] = [];

  get descriptions(): HandlerDescription[] {
    return describeHandlers(this.#handlers);
  }

  setHandler(name: string, registered: R | undefined): void {
    if (registered === undefined) {
      this.#handlers.delete(name);
      return;
    }
    this.#handlers.set(name, registered);
    this.#drain();
  }

  setDefaultHandler(handler: DefaultHandler | undefined): void {
    this.#defaultHandler = handler;
    if (handler !== undefined) this.#drain();
  }

  /** Runs `handler` for the message. `registered` is undefined for the default handler. */
  protected abstract run(message: Message, handler: (...args: unknown[]) => unknown, registered: R | undefined): void;

  protected add(message: Message): void {
    if (this.#handles(message)) this.#dispatch(message);
    else this.#buffered.push(message);
  }

  protected takeBuffered(): readonly Message[] {
    const buffered = this.#buffered;
    this.#buffered = [];
    return buffered;
  }

  #handles({ name }: Message): boolean {
    return this.#handlers.has(name) || (this.#defaultHandler !== undefined && !isReservedName(name));
  }

  /**
   * Dispatches in the order of arrival. Searches the buffer anew after each message, because a handler may set and
   * remove handlers, which also drains the buffer.
   */
  #drain(): void {
    for (;;) {
      const index = this.#buffered.findIndex((message) => this.#handles(message));
      if (index < 0) return;
      // shift() is cheap, whereas splice() would move the rest of the array.
      const next = index === 0 ? this.#buffered.shift() : this.#buffered.splice(index, 1)[0];
      if (next !== undefined) this.#dispatch(next);
    }
  }

  #dispatch(message: Message): void {
    const registered = this.#handlers.get(message.name);
    const fallback = this.#defaultHandler;
    const handler = registered?.handler as ((...args: unknown[]) => unknown) | undefined;
    this.run(message, handler ?? ((...args) => fallback?.(message.name, ...args)), registered);
  }
}
