// Closes a run that keeps getting mail: the run's row stays locked while the rest of its mail is read and the turn is
// appended, so that no sender can come in between. It costs several round trips, so it comes after two lost closings only.
import type pg from 'pg';
import { assert, RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Mail } from '../../core/run/mail.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { LogWriter } from '../../store/log/append.ts';
import { readMail } from '../../store/messages/inbox.ts';
import { holdOwnedRun } from '../../store/ownership/claim.ts';
import { continueRun } from '../../store/runs/continue-run.ts';
import type { Database } from '../../store/sql/database.ts';
import { isCleanRefusal, isLockTimeout } from '../../store/sql/sqlstate.ts';
import { transaction } from '../../store/sql/transaction.ts';
import type { LiveRun } from './live-run.ts';
import { type BuiltTurn, turnToAppend } from './turn-builder.ts';

/** Longest time in which the code may be busy between two statements, ms; at most the shortest lease. */
const lockedMs = 1_000;

/** Makes the turn from the mail that is left. */
type Build = (mail: readonly Mail[]) => Promise<BuiltTurn> | BuiltTurn;

export class LockedClose {
  readonly #database: Database;
  readonly #epoch: number;
  /** One run at a time: each takes a connection of the pool, which others need too. */
  readonly #queue = new SerialQueue();

  constructor(database: Database, epoch: number) {
    this.#database = database;
    this.#epoch = epoch;
  }

  /** Locks the run, reads its mail, builds the turn and appends it. Returns the turn; undefined when the run is gone. */
  async append(run: LiveRun, build: Build): Promise<BuiltTurn | undefined> {
    let built: BuiltTurn | undefined;
    while (built === undefined && run.phase !== 'gone') {
      built = await this.#queue.run(() => this.#tryAppend(run, build));
    }
    return built;
  }

  /** Undefined when somebody else has the row locked for long. */
  async #tryAppend(run: LiveRun, build: Build): Promise<BuiltTurn | undefined> {
    const { pool, notifier } = this.#database;
    let isCommitting = false;
    try {
      // Should this process hang while it holds the row and the fence, the database ends the session by itself. Once the
      // code has run, what follows waits for as long as it takes.
      const { built, queue } = await transaction(pool, { idleTimeoutMs: lockedMs }, async (client) => {
        const appended = await this.#appendLocked(client, run, build);
        isCommitting = true;
        return appended;
      });
      if (queue !== undefined) notifier.wake(queue);
      if (built.closes !== undefined) notifier.closed(run.runId); // no writer announces it
      return built;
    } catch (error) {
      if (isCommitting && !isCleanRefusal(error)) {
        throw new RuntimeError('LEASE_LOST', `The outcome of a commit is unknown: ${String(error)}`, { cause: error });
      }
      if (isLockTimeout(error)) return undefined;
      throw error;
    }
  }

  async #appendLocked(
    client: pg.ClientBase,
    run: LiveRun,
    build: Build,
  ): Promise<{ built: BuiltTurn; queue: string | undefined }> {
    const { schema } = this.#database;
    if (!(await holdOwnedRun(client, schema, run.runId, this.#epoch))) {
      throw new RuntimeError('ILLEGAL_STATE', `Run ${run.runId} is no longer owned by this worker.`);
    }
    const mail = await readMail(this.#database, [{ runId: run.runId, after: run.mailRead }], client);
    const built = await build(mail);
    const { continues } = built;
    // A run that continues as new leaves what it has not read to the next one.
    const seen = continues === undefined ? built.mailRead : (mail.at(-1)?.id ?? run.mailRead);
    const writer = await LogWriter.open(client, schema, this.#epoch, 0);
    const outcomes = await writer.append([turnToAppend(run, built, seen)]);
    if (outcomes === undefined) throw new RuntimeError('LEASE_LOST', 'This worker was declared dead.');
    assert(outcomes[0] === 'committed', `a turn of run ${run.runId}, whose row is locked, came to: ${outcomes[0]}`);
    const queue = continues === undefined ? undefined : await continueRun(client, schema, run.runId, continues);
    return { built, queue };
  }
}
