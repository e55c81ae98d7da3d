// The life of one incarnation: whether it is over, why it ended, and which parts stop with it. Knows nothing about what
// the parts do.
import type { Logger } from 'pino';
import { RuntimeError } from '../../core/failure/runtime-error.ts';

/** A part that stops with its incarnation. */
export interface LivingPart {
  stop(): unknown;
}

export class Life {
  readonly epoch: number;
  readonly #logger: Logger;
  readonly #ended = Promise.withResolvers<RuntimeError | undefined>();
  readonly #parts: LivingPart[] = [];
  #isOver = false;

  constructor(epoch: number, logger: Logger) {
    this.epoch = epoch;
    this.#logger = logger;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when the incarnation is over: with undefined after an orderly end, otherwise with the reason. */
  get ended(): Promise<RuntimeError | undefined> {
    return this.#ended.promise;
  }

  /** Registers a part to stop when the incarnation ends; parts stop in reverse order. Returns the part. */
  owns<P extends LivingPart>(part: P): P {
    this.#parts.push(part);
    return part;
  }

  /** Ends the incarnation at once. Only the first call has an effect. */
  end(error?: RuntimeError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const part of this.#parts.toReversed()) part.stop();
    this.#ended.resolve(error);
  }

  /** Ends the incarnation because it is unknown whether it still owns its runs. */
  lose(what: string, cause?: unknown): void {
    this.end(new RuntimeError('LEASE_LOST', `This worker lost touch with the database: ${what}.`, { cause }));
  }

  /**
   * Logs a failure of work that will be repeated. Logs nothing once the incarnation is over, since its sessions are
   * closed.
   */
  warn(what: string, error: unknown, facts: Record<string, unknown> = {}): void {
    if (!this.#isOver) this.#logger.warn({ err: error, ...facts }, `${what}, will try again`);
  }
}
