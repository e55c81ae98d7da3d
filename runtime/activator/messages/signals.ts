// Signals of a run: dispatched to their handler, or buffered until there is one, however long that takes.
import type { HistoryEvent } from '../../core/log/event.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import { MessageHandlers, type Registered } from './message-handlers.ts';
import type { RunningHandler } from './running-handlers.ts';

export type SignalHandler = (...args: never[]) => unknown;
export type DefaultSignalHandler = (signalName: string, ...args: unknown[]) => unknown;

interface Signal {
  readonly name: string;
  readonly payload: Uint8Array | null;
}

export class Signals extends MessageHandlers<Signal, Registered<SignalHandler>> {
  /** Runs a handler and routes its error or rejection. */
  readonly #invoke: (handler: () => unknown, task: RunningHandler) => void;

  constructor(invoke: (handler: () => unknown, task: RunningHandler) => void) {
    super();
    this.#invoke = invoke;
  }

  receive(event: HistoryEvent): void {
    this.add({ name: event.name ?? '', payload: event.payload });
  }

  protected run(
    { name, payload }: Signal,
    handler: (...args: unknown[]) => unknown,
    registered: Registered<SignalHandler> | undefined,
  ): void {
    const args = payload === null ? [] : (decodePayload(payload) as unknown[]);
    this.#invoke(() => handler(...args), { kind: 'signal', name, policy: registered?.policy });
  }
}
