// Brings mail of owned runs from the inbox into RunInputs, each message once and in order. Writes nothing: the turn
// that appends a message deletes it from the inbox.
import { endsWait } from '../../core/run/input.ts';
import type { Mail } from '../../core/run/mail.ts';
import { readMailByRun } from '../../store/messages/inbox.ts';
import type { ActivityDispatcher } from '../activities/activity-dispatcher.ts';
import type { LiveRun } from './live-run.ts';
import type { RunWorker } from '../life/run-worker.ts';

export class MailDelivery {
  readonly #worker: RunWorker;
  readonly #activities: ActivityDispatcher;

  constructor(worker: RunWorker, activities: ActivityDispatcher) {
    this.#worker = worker;
    this.#activities = activities;
  }

  /** Delivers announced mail until the incarnation is over. */
  async run(): Promise<void> {
    for await (const runIds of this.#worker.announcedMail.rounds()) await this.read([...runIds]);
  }

  /**
   * Reads and delivers the mail of those of the given runs that this worker owns. If that fails, the next look-around
   * retries.
   */
  async read(runIds: readonly string[]): Promise<void> {
    const { database, life, runs, inputs } = this.#worker;
    const asked = [];
    for (const runId of runIds) {
      const run = runs.get(runId);
      if (run !== undefined && takesMail(run)) asked.push({ runId, after: run.mailRead });
    }
    if (asked.length === 0) return;
    try {
      const { mail, unreadable } = await readMailByRun(database, asked);
      this.deliver(mail);
      for (const [runId, error] of unreadable) {
        const run = runs.get(runId);
        if (run !== undefined && takesMail(run)) inputs.failMail(run, error);
      }
    } catch (error) {
      life.warn('mail could not be read', error);
    }
  }

  /** Delivers the mail that was unread at the claim. Later messages may be in the log while an earlier update waits. */
  deliverFirst(run: LiveRun, mail: readonly Mail[]): void {
    this.deliver(mail);
    if (!run.isMailUnreadable) run.mailRead = Math.max(run.mailRead, run.mailClaimed);
  }

  /** Delivers messages. A run whose first task is not due leaves its mail unread, unless a message ends the wait. */
  deliver(mail: readonly Mail[]): void {
    const { runs, inputs, clock } = this.#worker;
    for (const message of mail) {
      const run = runs.get(message.runId);
      // The mail of a run that was claimed again during the read is read when the run is loaded.
      if (run === undefined || !takesMail(run) || message.id <= run.mailRead) continue;
      const waits = run.waitsUntil > clock.now();
      if (waits && !mail.some(({ runId, type }) => runId === run.runId && endsWait(type))) continue;
      try {
        for (const input of this.#activities.receive(run, message)) inputs.add(run, input);
        run.mailRead = message.id;
      } catch (error) {
        inputs.failMail(run, error);
      }
    }
  }
}

function takesMail({ phase, isMailUnreadable }: LiveRun): boolean {
  return phase !== 'loading' && phase !== 'quarantined' && phase !== 'gone' && !isMailUnreadable;
}
