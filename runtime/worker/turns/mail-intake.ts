// Mail of owned runs on its way from the inbox into memory: each message once, in order.
import type { Logger } from 'pino';
import type { Micros } from '../../core/log/event.ts';
import type { Database } from '../../store/sql/database.ts';
import type { Mail } from '../../core/run/mail.ts';
import { readMailByRun } from '../../store/messages/inbox.ts';
import type { DatabaseClock } from '../life/clock.ts';
import { endsWait } from '../../core/run/input.ts';
import type { OwnedRuns } from '../cache/owned-runs.ts';
import type { AnnouncedMail } from './announced-mail.ts';
import type { LiveRun } from './live-run.ts';

export class MailIntake {
  readonly #database: Database;
  readonly #now: () => Micros;
  readonly #logger: Logger;
  readonly #runs: OwnedRuns;
  readonly #arrived: (run: LiveRun, mail: Mail) => void;
  readonly #unreadable: (run: LiveRun, error: unknown) => void;
  readonly #announced: AnnouncedMail;
  #stopped = false;

  constructor(
    parts: {
      readonly database: Database;
      readonly clock: DatabaseClock;
      readonly logger: Logger;
      readonly announced: AnnouncedMail;
    },
    runs: OwnedRuns,
    arrived: (run: LiveRun, mail: Mail) => void,
    unreadable: (run: LiveRun, error: unknown) => void,
  ) {
    this.#database = parts.database;
    this.#now = () => parts.clock.now();
    this.#logger = parts.logger;
    this.#announced = parts.announced;
    this.#runs = runs;
    this.#arrived = arrived;
    this.#unreadable = unreadable;
  }

  /** Reads what is announced, until the incarnation is over. */
  async run(): Promise<void> {
    for await (const runIds of this.#announced.rounds()) await this.send([...runIds]);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** What cannot be read now is found by the next look around. */
  async send(runIds: readonly string[]): Promise<void> {
    try {
      await this.read(runIds);
    } catch (error) {
      if (!this.#stopped) this.#logger.warn({ err: error }, 'mail could not be read, will try again');
    }
  }

  /** Reads the mail of those of these runs that are owned. */
  async read(runIds: readonly string[]): Promise<void> {
    const runs = runIds
      .map((runId) => this.#runs.get(runId))
      .filter((run): run is LiveRun => run !== undefined && takesMail(run));
    if (runs.length === 0) return;
    const { mail, unreadable } = await readMailByRun(
      this.#database,
      runs.map((run) => ({ runId: run.runId, after: run.mailRead })),
    );
    this.deliver(mail);
    for (const [runId, error] of unreadable) {
      const run = this.#runs.get(runId);
      if (run !== undefined && takesMail(run)) this.#unreadable(run, error);
    }
  }

  /** A run that waits for its first task leaves its mail unread, unless something in it ends the wait. */
  deliver(mail: readonly Mail[]): void {
    for (const message of mail) {
      const run = this.#runs.get(message.runId);
      // One that came back while this was read has its mail read as it is loaded.
      if (run === undefined || !takesMail(run) || message.id <= run.mailRead) continue;
      if (run.waitsUntil > this.#now() && !mail.some(({ runId, type }) => runId === run.runId && endsWait(type)))
        continue;
      try {
        this.#arrived(run, message);
        run.mailRead = message.id;
      } catch (error) {
        this.#unreadable(run, error);
      }
    }
  }
}

function takesMail({ phase, isMailUnreadable }: LiveRun): boolean {
  return phase !== 'loading' && phase !== 'quarantined' && phase !== 'gone' && !isMailUnreadable;
}
