// Closing a run that keeps getting mail: the closer holds the run's row while it reads what is left and appends, so that
// no sender can come in between. Costs a transaction of several round trips; used after two lost closings.
import { SerialQueue } from '../../flow/serial-queue.ts';
import { LogWriter } from '../../store/log/append.ts';
import type pg from 'pg';
import type { Database } from '../../store/sql/database.ts';
import { holdOwnedRun } from '../../store/ownership/claim.ts';
import { continueRun } from '../../store/runs/continue-run.ts';
import type { Mail } from '../../core/run/mail.ts';
import { readMail } from '../../store/messages/inbox.ts';
import { assert, RuntimeError } from '../../core/failure/runtime-error.ts';
import { isCleanRefusal, isLockTimeout } from '../../store/sql/sqlstate.ts';
import { transaction } from '../../store/sql/transaction.ts';
import type { LiveRun } from './live-run.ts';
import { type BuiltTurn, turnToAppend } from './turn.ts';

/** Longest time in which the code may be busy between two statements, ms; at most the shortest lease. */
const holdMs = 1_000;

type Build = (mail: readonly Mail[]) => Promise<{ built: BuiltTurn; done: () => void }>;

/** Holds one run at a time: each takes a connection of the pool, which others need too. */
export class RunHolder {
  readonly #database: Database;
  readonly #epoch: number;
  readonly #queue = new SerialQueue();

  constructor(database: Database, epoch: number) {
    this.#database = database;
    this.#epoch = epoch;
  }

  /** Locks the run, reads its mail, lets `build` make the turn, appends it, and calls `done` after the commit. */
  async append(run: LiveRun, build: Build): Promise<void> {
    let done: (() => void) | undefined;
    while (done === undefined && run.phase !== 'gone') {
      done = await this.#queue.run(() => this.#tryAppend(run, build));
    }
    done?.();
  }

  /** Undefined when somebody else holds the row for long. */
  async #tryAppend(run: LiveRun, build: Build): Promise<(() => void) | undefined> {
    const { pool, notifier } = this.#database;
    let isCommitting = false;
    try {
      // Should this process hang while it holds the row and the fence, the database ends the session by itself. Once the
      // code has run, what follows waits for as long as it takes.
      const limits = { idleTimeoutMs: holdMs };
      const { queue, done } = await transaction(pool, limits, async (client) => {
        const held = await this.#appendHeld(client, run, build);
        isCommitting = true;
        return held;
      });
      if (queue !== undefined) notifier.wake(queue);
      return done;
    } catch (error) {
      if (isCommitting && !isCleanRefusal(error)) {
        throw new RuntimeError('LEASE_LOST', `The outcome of a commit is unknown: ${String(error)}`, { cause: error });
      }
      if (isLockTimeout(error)) return undefined;
      throw error;
    }
  }

  async #appendHeld(
    client: pg.ClientBase,
    run: LiveRun,
    build: Build,
  ): Promise<{ queue: string | undefined; done: () => void }> {
    const { schema } = this.#database;
    if (!(await holdOwnedRun(client, schema, run.runId, this.#epoch))) {
      throw new RuntimeError('ILLEGAL_STATE', `Run ${run.runId} is no longer owned by this worker.`);
    }
    const mail = await readMail(this.#database, [{ runId: run.runId, after: run.mailRead }], client);
    const turn = await build(mail);
    const { continues } = turn.built;
    // A run that continues as new leaves what it has not read to the next one.
    const seen = continues === undefined ? turn.built.mailRead : (mail.at(-1)?.id ?? run.mailRead);
    const writer = await LogWriter.open(client, schema, this.#epoch, 0);
    const outcomes = await writer.append([turnToAppend(run, turn.built, seen)]);
    if (outcomes === undefined) throw new RuntimeError('LEASE_LOST', 'This worker was declared dead.');
    assert(outcomes[0] === 'committed', `a turn of run ${run.runId}, whose row is held, came to: ${outcomes[0]}`);
    const queue = continues === undefined ? undefined : await continueRun(client, schema, run.runId, continues);
    return { queue, done: turn.done };
  }
}
