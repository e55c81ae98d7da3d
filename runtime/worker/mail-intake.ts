// Mail of owned runs on its way from the inbox into memory: each message once, in order.
import type { Database } from '../store/database.ts';
import { type Mail, readMail } from '../store/inbox.ts';
import type { LiveRun } from './live-run.ts';

export class MailIntake {
  readonly #database: Database;
  readonly #runs: ReadonlyMap<string, LiveRun>;
  readonly #arrived: (run: LiveRun, mail: Mail) => void;

  constructor(database: Database, runs: ReadonlyMap<string, LiveRun>, arrived: (run: LiveRun, mail: Mail) => void) {
    this.#database = database;
    this.#runs = runs;
    this.#arrived = arrived;
  }

  /** Reads the mail of owned runs that are said to have some. */
  async read(runIds: readonly string[]): Promise<void> {
    const runs = runIds
      .map((runId) => this.#runs.get(runId))
      .filter((run): run is LiveRun => run !== undefined && run.phase !== 'gone' && run.phase !== 'loading');
    if (runs.length === 0) return;
    const mail = await readMail(
      this.#database,
      runs.map((run) => ({ runId: run.runId, after: run.mailRead })),
    );
    this.deliver(mail);
  }

  deliver(mail: readonly Mail[]): void {
    for (const message of mail) {
      const run = this.#runs.get(message.runId);
      if (run === undefined || message.id <= run.mailRead) continue;
      run.mailRead = message.id;
      this.#arrived(run, message);
    }
  }
}
