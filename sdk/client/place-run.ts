// Starts a run, or uses the open run of its workflow id, by the caller's policies.
import type { Message } from '../../runtime/store/messages/inbox.ts';
import { wakeOnCommit } from '../../runtime/store/sql/notifier.ts';
import type { Queryable } from '../../runtime/store/sql/queryable.ts';
import { type NewRun, startRunWithin } from '../../runtime/store/runs/start-run.ts';
import type { StartTiming } from '../../runtime/core/run/chain.ts';
import { findRun } from '../../runtime/store/runs/runs.ts';
import { holderOfRun, holderOfWorkflowId } from '../../runtime/store/ownership/row-holder.ts';
import { type Placed, startWith, type Taken } from '../../runtime/store/runs/start-with.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from './client-errors.ts';
import type { Connection } from '../common/connection.ts';
import type { IdPolicies } from './id-policies.ts';
import { notifyReader } from './messages/send-message.ts';
import { type Awaited, whenFree } from './when-free.ts';

export interface PlaceOptions {
  readonly policies: IdPolicies;
  readonly transaction: Queryable | undefined;
  readonly timing: StartTiming;
  /** Sent to the new run, or to the open run. */
  readonly message?: Message;
  /** Terminates the open run of the workflow id. */
  terminate(): Promise<void>;
}

/** Returns the id of the new or the open run. @throws WorkflowExecutionAlreadyStartedError; RuntimeError RUN_BUSY */
export async function placeRun(connection: Connection, run: NewRun, options: PlaceOptions): Promise<string> {
  const { policies, transaction } = options;
  const terminates = policies.conflict === 'TERMINATE_EXISTING';
  if (terminates && transaction !== undefined) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'TERMINATE_EXISTING cannot be combined with transaction: the open run is terminated at once, even if the transaction rolls back.',
    );
  }
  for (;;) {
    const once = (isRepeated: boolean): Promise<Placed | Taken> => placeOnce(connection, run, options, isRepeated);
    // Inside the caller's transaction, the caller's lock_timeout applies, and a failed statement aborts the
    // transaction. So there is no retry.
    const placed =
      transaction === undefined
        ? await whenFree(connection, workflowIdOf(run), (_database, isRepeated) => once(isRepeated))
        : await connection.reach(() => once(false));
    if (typeof placed !== 'string') return placed.runId;
    if (placed === 'closed' || !terminates) {
      throw new WorkflowExecutionAlreadyStartedError(run.workflowId, run.workflowType, placed);
    }
    await options.terminate().catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error; // the run has closed meanwhile
    });
  }
}

/** What a start waits for: the workflow id, or the row of the id's open run. */
function workflowIdOf(run: NewRun): Awaited {
  return {
    what: `Workflow id ${run.workflowId}`,
    runId: run.runId,
    async holder(database) {
      const open = await findRun(database, run.namespace, run.workflowId);
      const holder = open === undefined ? undefined : await holderOfRun(database, open.run_id);
      return holder ?? holderOfWorkflowId(database, run);
    },
  };
}

async function placeOnce(
  connection: Connection,
  run: NewRun,
  options: PlaceOptions,
  isRepeated: boolean,
): Promise<Placed | Taken> {
  const { policies, transaction, message, timing } = options;
  const { database, starts } = connection;
  const useExisting = policies.conflict === 'USE_EXISTING';
  const isTimed = timing.delayMs > 0 || timing.deadlineMs !== undefined;
  const isPlain = message === undefined && !useExisting && policies.refusedAfter.length === 0 && !isTimed;
  if (!isPlain) {
    const { refusedAfter } = policies;
    const how = { useExisting, refusedAfter, timing, ...(message === undefined ? {} : { message }) };
    const placed = await startWith(database, transaction, run, how);
    if (typeof placed === 'string' || transaction !== undefined) return placed;
    if (placed.isNew) notifyReader(connection, placed.runId, { owner: null, queue: run.queue });
    else if (placed.delivery !== undefined) notifyReader(connection, placed.runId, placed.delivery);
    return placed;
  }
  const isNew =
    transaction === undefined
      ? await starts.start(run, isRepeated)
      : await startRunWithin(transaction, database.schema, run);
  // The caller decides when to commit, so this notice is sent when the transaction commits.
  if (transaction !== undefined) await wakeOnCommit(transaction, database.schema, run.queue);
  return isNew ? { runId: run.runId, isNew, delivery: undefined } : 'open';
}
