// The life of one incarnation: whether it goes on, why it ended, and which parts stop with it. It knows nothing of what
// the parts do.
import { RuntimeError } from '../../core/failure/runtime-error.ts';

/** Something that stops with its incarnation. */
export interface LivingPart {
  stop(): unknown;
}

export class Life {
  readonly epoch: number;
  readonly #ended = Promise.withResolvers<RuntimeError | undefined>();
  readonly #parts: LivingPart[] = [];
  #isOver = false;

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when the incarnation is over: undefined after an orderly end, else why. */
  get ended(): Promise<RuntimeError | undefined> {
    return this.#ended.promise;
  }

  /** Stops the part when the incarnation ends: the last registered part stops first. Returns the part. */
  owns<P extends LivingPart>(part: P): P {
    this.#parts.push(part);
    return part;
  }

  /** Ends the incarnation at once. Later calls change nothing. */
  end(error?: RuntimeError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const part of this.#parts.toReversed()) part.stop();
    this.#ended.resolve(error);
  }

  /** Ends the incarnation because nobody knows any more whether it still owns its runs. */
  lose(what: string, cause?: unknown): void {
    this.end(new RuntimeError('LEASE_LOST', `This worker lost touch with the database: ${what}.`, { cause }));
  }
}
