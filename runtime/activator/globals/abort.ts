// AbortController and AbortSignal for workflow code, because libraries use them. Leaves out what needs a clock or an
// event loop.
// Source: the DOM standard, section 3.
type AbortListener = ((event: AbortEvent) => unknown) | { handleEvent(event: AbortEvent): unknown };

interface AbortEvent {
  readonly type: 'abort';
  readonly target: AbortSignal;
}

class AbortError extends Error {
  override readonly name = 'AbortError';
  /** DOMException.ABORT_ERR. */
  readonly code = 20;
}

let abort: (signal: AbortSignal, reason: unknown) => void;

export class AbortSignal {
  onabort: ((event: AbortEvent) => unknown) | null = null;
  #aborted = false;
  #reason: unknown;
  readonly #listeners = new Set<AbortListener>();

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  addEventListener(type: string, listener: AbortListener | null): void {
    if (type === 'abort' && listener !== null && !this.#aborted) this.#listeners.add(listener);
  }

  removeEventListener(type: string, listener: AbortListener | null): void {
    if (type === 'abort' && listener !== null) this.#listeners.delete(listener);
  }

  /** A signal that is already aborted. */
  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal();
    abort(signal, reason);
    return signal;
  }

  /** A signal that aborts as soon as one of `signals` does. */
  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const all = [...signals];
    const joined = new AbortSignal();
    const aborted = all.find((signal) => signal.aborted);
    if (aborted !== undefined) abort(joined, aborted.reason);
    else for (const signal of all) signal.addEventListener('abort', () => abort(joined, signal.reason));
    return joined;
  }

  static {
    abort = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new AbortError('This operation was aborted') : reason;
      const event: AbortEvent = { type: 'abort', target: signal };
      const listeners = [...signal.#listeners];
      signal.#listeners.clear();
      signal.onabort?.(event);
      for (const listener of listeners) {
        if (typeof listener === 'function') listener.call(signal, event);
        else listener.handleEvent(event);
      }
    };
  }
}

export class AbortController {
  readonly signal: AbortSignal = new AbortSignal();

  abort(reason?: unknown): void {
    abort(this.signal, reason);
  }
}
