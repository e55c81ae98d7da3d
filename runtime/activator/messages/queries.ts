// Query handlers of a run, and how a query is answered: synchronously, from memory, without changes.
import type { QueryResult } from '../../core/log/activation.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import { IllegalStateError } from '../../core/failure/runtime-error.ts';
import { enhancedStackTraceQueryName, stackTraceQueryName } from '../../core/run/stack-trace.ts';
import { isReservedName } from '../../core/options/reserved-name.ts';
import { builtIn, type HandlerDescription, metadataQueryName } from './built-in-queries.ts';

export type QueryHandler = (...args: never[]) => unknown;
export type DefaultQueryHandler = (queryName: string, ...args: unknown[]) => unknown;

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

export function describeHandlers(
  handlers: ReadonlyMap<string, { readonly description: string | undefined }>,
): HandlerDescription[] {
  return Array.from(handlers, ([name, { description }]) =>
    description === undefined ? { name } : { name, description },
  );
}

/** Answers the stack trace queries where nothing traces the run. */
function untraced(): never {
  throw new IllegalStateError('Workflow stack traces are not enabled on this worker');
}

export class Queries {
  readonly #handlers = new Map<string, { handler: QueryHandler; description: string | undefined }>();
  readonly #metadata: () => unknown;

  /** `metadata`: answers the built-in query about the workflow itself. */
  constructor(metadata: () => unknown) {
    this.#metadata = metadata;
  }

  get descriptions(): HandlerDescription[] {
    return [...builtIn, ...describeHandlers(this.#handlers)];
  }

  #defaultHandler: DefaultQueryHandler | undefined;

  setHandler(name: string, handler: QueryHandler | undefined, description?: string): void {
    if (handler === undefined) this.#handlers.delete(name);
    else this.#handlers.set(name, { handler, description });
  }

  setDefaultHandler(handler: DefaultQueryHandler | undefined): void {
    this.#defaultHandler = handler;
  }

  #handler(name: string): ((...args: unknown[]) => unknown) | undefined {
    if (name === metadataQueryName) return this.#metadata;
    if (name === stackTraceQueryName || name === enhancedStackTraceQueryName) return untraced;
    return this.#handlers.get(name)?.handler as ((...args: unknown[]) => unknown) | undefined;
  }

  /** An error of the handler becomes the answer. It never affects the run. */
  answer(name: string, args: Uint8Array): QueryResult {
    const handler = this.#handler(name);
    const fallback = isReservedName(name) ? undefined : this.#defaultHandler;
    if (handler === undefined && fallback === undefined) {
      const names = [...builtIn.map((query) => query.name), ...this.#handlers.keys()].join(' ');
      const error = new ReferenceError(
        `Workflow did not register a handler for ${name}. Registered queries: [${names}]`,
      );
      return { ok: false, failure: encodeFailure(error), registered: false };
    }
    try {
      const decoded = decodePayload(args) as unknown[];
      const value = handler === undefined ? fallback?.(name, ...decoded) : handler(...decoded);
      if (isThenable(value)) {
        value.then(undefined, () => undefined); // its rejection does not concern the run
        throw new Error('Query handlers should not return a Promise');
      }
      return { ok: true, payload: encodePayload(value) };
    } catch (thrown) {
      return { ok: false, failure: encodeFailure(thrown), registered: true };
    }
  }
}
