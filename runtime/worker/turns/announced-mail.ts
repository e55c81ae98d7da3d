// Runs with announced mail that MailDelivery has not read yet. Announcements during a read are collected for the next
// read, so that a stream of messages does not cause a stream of reads.
import { Rounds } from '../../flow/rounds.ts';

export class AnnouncedMail {
  readonly #runIds = new Rounds<string>();

  /** Adds runs with announced mail. Other workers may own some of these runs. */
  announce(runIds: readonly string[]): void {
    for (const runId of runIds) this.#runIds.add(runId);
  }

  /** Sets of runs whose mail must be read, for a single reader. */
  rounds(): AsyncIterable<ReadonlySet<string>> {
    return this.#runIds;
  }

  stop(): void {
    this.#runIds.stop();
  }
}
