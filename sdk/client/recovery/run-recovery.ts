// The part of a handle that acts on a run from outside: the verbs of operators. They need no workflow code, and most
// need no worker. Messages to the code (signals, updates, queries) belong to RunHandle.
import { checkOptions, optionTable, required, storableName } from '../../../runtime/core/options/option-table.ts';
import type { Message } from '../../../runtime/store/messages/inbox.ts';
import { terminateUnowned } from '../../../runtime/store/runs/close-run.ts';
import { terminateOrphan } from '../../../runtime/store/runs/terminate-orphan.ts';
import { saveCheckpoint } from '../../../runtime/replay/context/save-checkpoint.ts';
import type { CheckpointInfo } from '../../../runtime/store/checkpoints/checkpoints.ts';
import { holdRun, releaseRun } from '../../../runtime/store/retention/holds.ts';
import { WorkflowNotFoundError } from '../client-errors.ts';
import { checkReason } from '../encode-arguments.ts';
import { RunVerbs } from './run-verbs.ts';
import { sendMessage } from '../messages/send-message.ts';
import { actorColumns, type ActorOptions, actorTable } from './verb-options.ts';
import { rowOf, whenFree } from '../when-free.ts';

const holdOptions = optionTable<{ reason: string; actor: string }>({
  reason: required(storableName),
  actor: required(storableName),
});

export abstract class RunRecovery extends RunVerbs {
  /** Sends a message to the open run that the handle stands for. @throws WorkflowNotFoundError */
  protected abstract send(message: Message): Promise<void>;

  /** Requests cancellation; the workflow code decides what to do. @throws WorkflowNotFoundError */
  async cancel(options: ActorOptions = {}): Promise<void> {
    checkOptions('cancel', options, actorTable);
    await this.send({ type: 'WorkflowCancelRequested', ...actorColumns('cancel', options) });
  }

  /**
   * Closes the run without letting its code clean up. Resolves when the run is closed; needs no worker.
   * @throws WorkflowNotFoundError when the run is not open
   */
  async terminate(reason?: string | ActorOptions, options: ActorOptions = {}): Promise<void> {
    const given = typeof reason === 'object' && reason !== null ? reason : { ...options, ...reasonOf(reason) };
    checkOptions('terminate', given, actorTable);
    const columns = actorColumns('terminate', given);
    for (let run = await this.run(); ; ) {
      const { run_id: runId } = run;
      if (await this.#terminate(runId, columns)) return;
      run = await this.run();
      if (run.run_id === runId) throw WorkflowNotFoundError.closed(this.workflowId, runId);
    }
  }

  /**
   * Names and pins the present state of the context. Folds the log and needs no worker: the code of the run does not
   * notice. The state is the one after the run's last turn.
   * @throws CHECKPOINT_EXISTS; INVALID_INPUT when the run has no context
   */
  async checkpoint(name: string): Promise<CheckpointInfo> {
    return this.read((database, runId) => saveCheckpoint(database, runId, name));
  }

  /**
   * Keeps the run and the earlier runs of its chain from retention, until `releaseHold`. The runs that it was forked
   * from are kept with it.
   */
  async hold(options: { reason: string; actor: string }): Promise<void> {
    checkOptions('hold', options, holdOptions);
    await this.read((database, runId) => holdRun(database, runId, options));
  }

  /** Ends the hold of the run and of the earlier runs of its chain. Returns false when there was none. */
  async releaseHold(): Promise<boolean> {
    return this.read(releaseRun);
  }

  /** Returns false when the run was already closed. */
  async #terminate(runId: string, columns: { reason?: string; sourceId?: string }): Promise<boolean> {
    const { connection } = this;
    const why = { reason: columns.reason ?? null, actor: columns.sourceId ?? null };
    const result = await whenFree(connection, rowOf(runId), (database) =>
      terminateUnowned(database, runId, why.reason, why.actor),
    );
    if (result !== 'owned') return result !== 'closed';
    if ((await sendMessage(connection, runId, { type: 'WorkflowTerminated', ...columns })) === undefined) return false;
    const closed = new AbortController();
    await connection
      .reach<unknown>((database) =>
        Promise.race([connection.outcomes.outcome(runId), terminateOrphan(database, runId, why, closed.signal)]),
      )
      .finally(() => closed.abort());
    return true;
  }
}

function reasonOf(reason: unknown): ActorOptions {
  return reason === undefined ? {} : { reason: checkReason('terminate', reason) };
}
