// Closes a run that keeps getting mail. The run's row stays locked while the rest of its mail is read and the closing
// turn is appended, so that no sender can add a message in between. This costs several round trips, so it is used only
// after two closing turns were refused.
import type pg from 'pg';
import { assert, RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Mail } from '../../core/run/mail.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { LogWriter } from '../../store/log/append.ts';
import { readMail } from '../../store/messages/inbox.ts';
import { holdOwnedRun } from '../../store/ownership/claim.ts';
import { continueRun } from '../../store/runs/continue-run.ts';
import { forkClosed } from '../../store/runs/fork-run.ts';
import type { Database } from '../../store/sql/database.ts';
import { isCleanRefusal, isLockTimeout } from '../../store/sql/sqlstate.ts';
import { transaction } from '../../store/sql/transaction.ts';
import type { FailPointListener } from '../life/fail-point.ts';
import type { LiveRun } from './live-run.ts';
import { type BuiltTurn, turnToAppend } from './turn-builder.ts';

/** How long the code may be busy between two statements, ms; at most the shortest lease. */
const lockedMs = 1_000;

/** Builds the turn from the unread mail. */
type Build = (mail: readonly Mail[]) => Promise<BuiltTurn> | BuiltTurn;

export class LockedClose {
  readonly #database: Database;
  readonly #epoch: number;
  readonly #failPoint: FailPointListener | undefined;
  /** Closes one run at a time, because each close uses a connection of the pool that other calls need too. */
  readonly #queue = new SerialQueue();

  constructor(database: Database, epoch: number, failPoint?: FailPointListener) {
    this.#database = database;
    this.#epoch = epoch;
    this.#failPoint = failPoint;
  }

  /**
   * Locks the run, reads its mail, builds the turn and appends it. Returns the turn; undefined when the run is gone.
   */
  async append(run: LiveRun, build: Build): Promise<BuiltTurn | undefined> {
    let built: BuiltTurn | undefined;
    while (built === undefined && run.phase !== 'gone') {
      built = await this.#queue.run(() => this.#tryAppend(run, build));
    }
    return built;
  }

  /** Returns undefined when another session has locked the row for long. */
  async #tryAppend(run: LiveRun, build: Build): Promise<BuiltTurn | undefined> {
    const { pool, notifier } = this.#database;
    let isCommitting = false;
    try {
      // If this process hangs while it holds the row and the fence, the database ends the session. After the code has
      // run, the remaining statements may take as long as they need.
      const { built, queue } = await transaction(pool, { idleTimeoutMs: lockedMs }, async (client) => {
        const appended = await this.#appendLocked(client, run, build);
        isCommitting = true;
        return appended;
      });
      if (built.forks !== undefined) this.#failPoint?.('forked');
      if (queue !== undefined) notifier.wake(queue);
      if (built.closes !== undefined) notifier.closed(run.runId); // no LogWriter announces this close
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
    const { continues, forks } = built;
    // When a run has a successor, messages that it has not read move there.
    const isLast = continues === undefined && forks === undefined;
    const seen = isLast ? built.mailRead : (mail.at(-1)?.id ?? run.mailRead);
    const writer = await LogWriter.open(client, schema, this.#epoch, 0);
    const outcomes = await writer.append([turnToAppend(run, built, seen)]);
    if (outcomes === undefined) throw new RuntimeError('LEASE_LOST', 'This worker was declared dead.');
    assert(outcomes[0] === 'committed', `a turn of run ${run.runId}, whose row is locked, came to: ${outcomes[0]}`);
    if (forks !== undefined) {
      this.#failPoint?.('before fork');
      const forkQueue = await forkClosed(client, schema, run.runId, forks);
      this.#failPoint?.('forking');
      return { built, queue: forkQueue };
    }
    const queue = continues === undefined ? undefined : await continueRun(client, schema, run.runId, continues);
    return { built, queue };
  }
}
