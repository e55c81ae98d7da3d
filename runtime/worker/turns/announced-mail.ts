// Runs that are said to have mail, until MailDelivery has read it. What is announced during a read goes with the next one,
// or a stream of messages would be a stream of reads.
import { Rounds } from '../../flow/rounds.ts';

export class AnnouncedMail {
  readonly #runIds = new Rounds<string>();

  /** These runs are said to have mail. They may be runs that this worker does not own. */
  announce(runIds: readonly string[]): void {
    for (const runId of runIds) this.#runIds.add(runId);
  }

  /** Sets of runs to read the mail of; for one reader. */
  rounds(): AsyncIterable<ReadonlySet<string>> {
    return this.#runIds;
  }

  stop(): void {
    this.#runIds.stop();
  }
}
