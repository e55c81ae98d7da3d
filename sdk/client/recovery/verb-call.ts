// One call of a verb on an open run: submits it, waits until the log holds it or it is refused, and says who came first.
// If the owner of the run dies, the call applies the verb itself.
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { Refusal } from '../../../runtime/core/recovery/verb.ts';
import { refusalIn } from '../../../runtime/core/recovery/verb-inputs.ts';
import { takeAnswer, withdraw } from '../../../runtime/store/messages/requests.ts';
import { verbKey } from '../../../runtime/store/messages/updates.ts';
import { SilentOwner } from '../../../runtime/store/ownership/silent-owner.ts';
import { findVerb, isVerbWaiting, type LoggedVerb } from '../../../runtime/store/runs/find-verb.ts';
import { submitVerb, type VerbMessage } from '../../../runtime/store/runs/operate-run.ts';
import type { Connection } from '../../common/connection.ts';
import { limitReached, waitAtMost, whenAborted } from '../call-limits.ts';
import { rowOf, whenFree } from '../when-free.ts';

const firstWaitMs = 5;
const longestWaitMs = 250;

/** `closed`: the run is closed, and its log does not hold the verb. */
export type VerbAnswer = { readonly verb: LoggedVerb } | { readonly refusal: Refusal } | 'closed';

export class VerbCall {
  readonly #connection: Connection;
  readonly #runId: string;
  readonly #message: VerbMessage;
  readonly #owner: SilentOwner;
  #isSent = false;

  constructor(connection: Connection, runId: string, message: VerbMessage) {
    this.#connection = connection;
    this.#runId = runId;
    this.#message = message;
    this.#owner = new SilentOwner(connection.database, runId);
  }

  get #key(): string {
    return verbKey(this.#runId, this.#message.correlationId);
  }

  /** @throws RuntimeError RUN_BUSY, TIMEOUT when the caller's deadline has passed */
  async answer(): Promise<VerbAnswer> {
    const connection = this.#connection;
    const abortion = whenAborted();
    try {
      // An answer to an earlier call with this request id says nothing about this call.
      await connection.reach((database) => withdraw(database, this.#key));
      for (let wait = firstWaitMs; ; wait = Math.min(wait * 2, longestWaitMs)) {
        const subscription = await connection.reach(() => connection.outcomes.subscribe(this.#key));
        try {
          const answer = await this.#look();
          if (answer !== undefined) return answer;
          this.#checkLimit();
          await Promise.race([subscription.within(waitAtMost(wait)), abortion.aborted]);
        } finally {
          subscription.done();
        }
      }
    } finally {
      abortion.done();
    }
  }

  async #look(): Promise<VerbAnswer | undefined> {
    if (this.#isSent) {
      const answer = await this.#answered();
      if (answer !== undefined || (await this.#isWithOwner())) return answer;
    }
    // Not sent yet, or its owner is gone, or the message is gone without an answer.
    const result = await whenFree(this.#connection, rowOf(this.#runId), (database) =>
      submitVerb(database, this.#runId, this.#message),
    );
    if (result.outcome === 'logged') return { verb: result.verb };
    if (result.outcome === 'refused') return { refusal: result.refusal };
    if (result.outcome === 'closed') return 'closed';
    this.#isSent = result.outcome === 'sent';
    return undefined;
  }

  /** The verb in the log, or its refusal. */
  async #answered(): Promise<VerbAnswer | undefined> {
    const { correlationId } = this.#message;
    return this.#connection.reach(async (database) => {
      const verb = await findVerb(database.pool, database.schema, this.#runId, correlationId);
      if (verb !== undefined) return { verb };
      const answer = await takeAnswer(database, this.#key);
      if (answer === undefined) return undefined;
      const refusal = refusalIn(answer.payload);
      // The owner could not tell yet: the call looks at the run again.
      if (refusal.code !== 'RUN_BUSY') return { refusal };
      this.#isSent = false;
      return undefined;
    });
  }

  /** Whether a living owner has the message, or a worker will read it. */
  async #isWithOwner(): Promise<boolean> {
    if (!this.#isSent) return true; // looks again after a wait
    const { correlationId } = this.#message;
    const ownership = await this.#connection.reach(() => this.#owner.look());
    if (ownership !== 'owned') return false;
    return this.#connection.reach(({ pool, schema }) => isVerbWaiting(pool, schema, this.#runId, correlationId));
  }

  #checkLimit(): void {
    const reached = limitReached();
    if (reached === undefined) return;
    const { correlationId } = this.#message;
    throw new RuntimeError(
      'TIMEOUT',
      `Run ${this.#runId} has not answered request ${correlationId}, and ${reached}. The request may still take effect: ` +
        'repeat the call with the same requestId to get its outcome.',
      { runId: this.#runId },
    );
  }
}
