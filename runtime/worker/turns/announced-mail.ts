// Runs that are said to have mail. One read at a time: what is announced meanwhile goes with the next, or a stream of
// messages would be a stream of reads.
import type { Logger } from 'pino';

export class AnnouncedMail {
  readonly #read: (runIds: readonly string[]) => Promise<void>;
  readonly #logger: Logger;
  readonly #announced = new Set<string>();
  #reading = false;
  #stopped = false;

  constructor(logger: Logger, read: (runIds: readonly string[]) => Promise<void>) {
    this.#logger = logger;
    this.#read = read;
  }

  stop(): void {
    this.#stopped = true;
  }

  async announce(runIds: readonly string[]): Promise<void> {
    for (const runId of runIds) this.#announced.add(runId);
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#announced.size > 0 && !this.#stopped) {
        const announced = [...this.#announced];
        this.#announced.clear();
        await this.#read(announced);
      }
    } catch (error) {
      if (!this.#stopped) this.#logger.warn({ err: error }, 'mail could not be read, will try again');
    } finally {
      this.#reading = false;
    }
  }
}
