// Reads the mail of runs, one read at a time: what is announced meanwhile goes with the next, or a stream of messages would
// be a stream of reads.

export class MailReader {
  readonly #read: (runIds: readonly string[]) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #announced = new Set<string>();
  #isReading = false;

  /** `failed`: a read did not come through; what it was for is found by the next poll. */
  constructor(read: (runIds: readonly string[]) => Promise<void>, failed: (error: unknown) => void) {
    this.#read = read;
    this.#failed = failed;
  }

  async read(runIds: readonly string[]): Promise<void> {
    for (const runId of runIds) this.#announced.add(runId);
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#announced.size > 0) {
        const announced = [...this.#announced];
        this.#announced.clear();
        await this.#read(announced);
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isReading = false;
    }
  }
}
