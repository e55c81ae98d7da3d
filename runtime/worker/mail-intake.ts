// Mail of owned runs on its way from the inbox into memory: each message once, in order.
import { draft } from '../history/draft.ts';
import type { Database } from '../store/database.ts';
import { type Mail, readMail } from '../store/inbox.ts';
import type { Input, LiveRun } from './live-run.ts';

export class MailIntake {
  readonly #database: Database;
  readonly #runs: ReadonlyMap<string, LiveRun>;
  readonly #enqueue: (run: LiveRun, input: Input) => void;

  constructor(database: Database, runs: ReadonlyMap<string, LiveRun>, enqueue: (run: LiveRun, input: Input) => void) {
    this.#database = database;
    this.#runs = runs;
    this.#enqueue = enqueue;
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
    for (const { runId, id, ...message } of mail) {
      const run = this.#runs.get(runId);
      if (run === undefined || id <= run.mailRead) continue;
      run.mailRead = id;
      this.#enqueue(run, { ...draft(0, message.type, message), mailId: id });
    }
  }
}
