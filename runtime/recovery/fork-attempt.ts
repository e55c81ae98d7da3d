// One request for a fork, until the fork is there. Makes it itself when no worker owns the run that it takes the place
// of. Otherwise asks the owner, which closes the run and makes the fork in one transaction. A silent owner is declared
// dead.
import { RuntimeError } from '../core/failure/runtime-error.ts';
import type { ForkRequest } from '../core/recovery/fork-plan.ts';
import { forkKinds } from '../core/recovery/fork-verbs.ts';
import type { Refusal } from '../core/recovery/verb.ts';
import { refusalIn } from '../core/recovery/verb-inputs.ts';
import { takeAnswer, withdraw } from '../store/messages/requests.ts';
import { verbKey } from '../store/messages/updates.ts';
import { sendAlone } from '../store/messages/inbox.ts';
import { announce } from '../store/messages/run-messages.ts';
import { SilentOwner } from '../store/ownership/silent-owner.ts';
import { checkFork, type ForkOutcome, forkRun, isForkWaiting, proposedForkId } from '../store/runs/fork-run.ts';
import type { Database } from '../store/sql/database.ts';

export type MadeFork = Extract<ForkOutcome, { readonly runId: string }>;

export class ForkAttempt {
  readonly #request: ForkRequest;
  #owner: { readonly runId: string; readonly epoch: number; readonly watch: SilentOwner } | undefined;
  #isAsked = false;

  constructor(request: ForkRequest) {
    this.#request = request;
  }

  /**
   * Call repeatedly. Undefined while the owner of the run has not made the fork yet.
   * @throws RuntimeError why the fork is not possible; lock_not_available when another session holds a row
   */
  async look(database: Database): Promise<MadeFork | undefined> {
    const outcome = await forkRun(database, this.#request);
    // The owner makes the fork of an asked request.
    if ('runId' in outcome) return { ...outcome, isNew: outcome.isNew || this.#owner !== undefined };
    await this.#ask(database, outcome.owned, outcome.epoch);
    return undefined;
  }

  async #ask(database: Database, runId: string, epoch: number): Promise<void> {
    const asked = this.#owner;
    if (asked === undefined || asked.runId !== runId || asked.epoch !== epoch) {
      this.#owner = { runId, epoch, watch: new SilentOwner(database, runId) };
    }
    await this.#owner!.watch.look();
    const { requestId, verb, reason, actor } = this.#request;
    if (await isForkWaiting(database, runId, requestId)) return;
    const key = verbKey(runId, requestId);
    if (this.#isAsked) {
      const answer = await takeAnswer(database, key);
      if (answer !== undefined) throw refused(runId, refusalIn(answer.payload));
    }
    // Not sent yet, or the owner lost the message.
    await checkFork(database, this.#request, runId);
    // An answer to an earlier call with this request id says nothing about this call.
    if (!this.#isAsked) await withdraw(database, key);
    this.#isAsked = true;
    const forkId = await proposedForkId(database, this.#request);
    const delivery = await sendAlone(database, runId, {
      type: forkKinds[verb].closesWith!,
      correlationId: requestId,
      meta: JSON.stringify({ ...this.#request, forkId }),
      ...(reason === null ? {} : { reason }),
      ...(actor === null ? {} : { sourceId: actor }),
    });
    if (delivery !== undefined) announce(database, [{ runId, delivery }]);
  }
}

function refused(runId: string, { code, message }: Refusal): RuntimeError {
  return new RuntimeError(code, message, { runId });
}
