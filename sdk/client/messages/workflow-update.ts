// Sends an update and waits for its outcome.
import { randomUUID } from 'node:crypto';
import { decodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { ApplicationFailure } from '../../../runtime/core/failure/failure.ts';
import { decodePayload } from '../../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { Message } from '../../../runtime/store/messages/inbox.ts';
import { peekAnswer, takeAnswer, withdraw } from '../../../runtime/store/messages/requests.ts';
import { readStartedMeta } from '../../../runtime/store/runs/runs.ts';
import { readUpdate, updateKey, type UpdateState } from '../../../runtime/store/messages/updates.ts';
import {
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '../client-errors.ts';
import type { Connection } from '../../common/connection.ts';
import { checkName, encodeArguments } from '../encode-arguments.ts';
import {
  argumentList,
  checkOptions,
  notYet,
  optionTable,
  type OptionTable,
  unchecked,
} from '../../../runtime/core/options/option-table.ts';
import { sendMessage } from './send-message.ts';
import { lostAfterMs, watchMessage } from './watch-message.ts';

/** Stages of an update. The names are Temporal's. */
export const WorkflowUpdateStage = {
  ADMITTED: 'ADMITTED',
  /** The stage that `startUpdate` waits for. */
  ACCEPTED: 'ACCEPTED',
  COMPLETED: 'COMPLETED',
  /** @deprecated */
  UNSPECIFIED: undefined,
} as const;
export type WorkflowUpdateStage = NonNullable<(typeof WorkflowUpdateStage)[keyof typeof WorkflowUpdateStage]>;

/** `args` is optional for an update without arguments. */
export type WorkflowUpdateOptions<Args extends readonly unknown[]> = {
  /** The update's key within its run; default: a new UUID. */
  readonly updateId?: string;
} & ([] extends Args ? { readonly args?: Args } : { readonly args: Args });

export type StartUpdateOptions<Args extends readonly unknown[]> = WorkflowUpdateOptions<Args> & {
  readonly waitForStage: 'ACCEPTED';
};

export interface GetWorkflowUpdateHandleOptions {
  /** Default: the run of the handle, or the run of the handle's chain that has the update. */
  readonly workflowRunId?: string;
}

export const updateHandleOptions: OptionTable = optionTable<GetWorkflowUpdateHandleOptions>(unchecked('workflowRunId'));
const updateOptions = optionTable<StartUpdateOptions<unknown[]>>(
  { args: argumentList, ...unchecked('updateId', 'waitForStage') },
  { [notYet]: ['typeInfo'] },
);

interface UpdateHandleParts {
  readonly connection: Connection;
  readonly workflowId: string;
  readonly updateId: string;
  readonly runId: string | undefined;
  /** Set for an update that may have been sent before, because its run must then be found. */
  readonly search?: UpdateSearch;
}

/** Where to look for an update. */
export interface UpdateSearch {
  /** The latest run that may have the update. @throws WorkflowNotFoundError */
  latestRun(): Promise<string>;
  /** True if predecessors and successors of that run may have the update too. */
  readonly inChain: boolean;
}

interface UpdateParts extends UpdateHandleParts {
  readonly runId: string;
}

/** How many runs of a chain are searched for an update, from the latest backwards. */
const chainMax = 100;

/** A handle to an update that was accepted or rejected. */
export class WorkflowUpdateHandle<Ret = unknown> {
  readonly updateId: string;
  readonly workflowId: string;
  /** Undefined when the handle was created for a workflow id without a run. */
  readonly workflowRunId: string | undefined;
  readonly #parts: UpdateHandleParts;
  readonly #rejection: Error | undefined;

  constructor(parts: UpdateHandleParts, rejection?: Error) {
    this.updateId = parts.updateId;
    this.workflowId = parts.workflowId;
    this.workflowRunId = parts.runId;
    this.#parts = parts;
    this.#rejection = rejection;
  }

  /**
   * Waits for the handler's result.
   * @throws WorkflowUpdateFailedError when the update was rejected, its handler failed, or the run closed before the
   * handler ended; WorkflowNotFoundError, also for an unknown update; WorkflowUpdateRPCTimeoutOrCancelledError
   */
  async result(): Promise<Ret> {
    if (this.#rejection !== undefined) throw updateFailed(this.#rejection);
    const { search } = this.#parts;
    const runId = search === undefined ? this.workflowRunId! : await findUpdate(this.#parts, search);
    let target: UpdateParts = { ...this.#parts, runId };
    // A successor receives the messages that its predecessor has not read.
    let follows = search?.inChain ?? false;
    let waitedUntil: number | undefined;
    const look = async (): Promise<{ value: Ret } | undefined> => {
      const state = await stateOf(target);
      if (state.heir !== undefined && state.outcome === undefined) {
        target = { ...target, runId: state.heir };
        waitedUntil = performance.now();
        return look();
      }
      if (state.accepted) return outcomeOf<Ret>(state);
      if (state.waiting) {
        follows = true;
        waitedUntil = performance.now();
        return undefined;
      }
      if (state.closed && state.next !== undefined && follows) {
        target = { ...target, runId: state.next };
        return look();
      }
      const rejection = await rejectionOf(target);
      if (rejection !== undefined) throw updateFailed(rejection);
      if (state.closed) throw WorkflowNotFoundError.closed(target.workflowId, target.runId);
      if (waitedUntil === undefined || performance.now() - waitedUntil > lostAfterMs) throw updateNotFound(target);
      return undefined;
    };
    return watch(() => target, look);
  }
}

/** The outcome of an accepted update; undefined while its handler runs. @throws WorkflowUpdateFailedError */
function outcomeOf<Ret>({ outcome, closed }: UpdateState): { value: Ret } | undefined {
  if (outcome?.failed === true) throw updateFailed(decodeFailure(outcome.payload));
  if (outcome !== undefined) return { value: decodePayload(outcome.payload) as Ret };
  if (!closed) return undefined;
  throw updateFailed(
    ApplicationFailure.nonRetryable(
      'Workflow Update failed because the Workflow completed before the Update completed.',
      'AcceptedUpdateCompletedWorkflow',
    ),
  );
}

/** The latest run that has the update in its log or inbox. If no run has it, the latest run. */
async function findUpdate(parts: UpdateHandleParts, { latestRun, inChain }: UpdateSearch): Promise<string> {
  const { connection, updateId } = parts;
  const latest = await latestRun();
  let runId: string | undefined = latest;
  for (let left = inChain ? chainMax : 0; left > 0 && runId !== undefined; left--) {
    const at: string = runId;
    const state = await connection.reach((database) => readUpdate(database, at, updateId));
    if (state?.accepted === true || state?.waiting === true) return at;
    runId = (await connection.reach((database) => readStartedMeta(database, at))).continuedFrom;
  }
  return latest;
}

/** Why an update was rejected, if its sender has not read the answer yet. */
async function rejectionOf({ connection, runId, updateId }: UpdateParts): Promise<Error | undefined> {
  const answer = await connection.reach((database) => peekAnswer(database, updateKey(runId, updateId)));
  return answer === undefined ? undefined : decodeFailure(answer.payload);
}

function updateNotFound({ workflowId, runId, updateId }: UpdateParts): WorkflowNotFoundError {
  const message = `workflow update not found: ${updateId} of workflow ${workflowId} (run ${runId}). It was never sent, or it was rejected. Check the update id, or send it with executeUpdate.`;
  return new WorkflowNotFoundError(message, workflowId, runId);
}

/** Checks the arguments of an update call. @throws INVALID_INPUT, NOT_SERIALISABLE, PAYLOAD_TOO_LARGE */
export function updateCall<Args extends readonly unknown[]>(
  update: { readonly name: string } | string,
  options: StartUpdateOptions<Args>,
  maxPayloadBytes: number,
): { readonly updateId: string; readonly message: Message } {
  checkOptions('An update', options, updateOptions);
  const { args, updateId = randomUUID(), waitForStage } = options as StartUpdateOptions<Args> & { args?: Args };
  if (waitForStage !== 'ACCEPTED') {
    throw new RuntimeError(
      'INVALID_INPUT',
      `startUpdate was called with waitForStage ${String(waitForStage)}, expected 'ACCEPTED'. To wait for the outcome, use executeUpdate.`,
    );
  }
  const name = checkName('The update name', typeof update === 'string' ? update : update.name);
  const payload = encodeArguments(`update ${name}`, args ?? [], maxPayloadBytes);
  const id = checkName('updateId', updateId);
  return { updateId: id, message: { type: 'UpdateAccepted', name, payload, correlationId: id } };
}

/**
 * Sends an update unless an update with this id was accepted before, and waits until it is accepted or rejected. If the
 * message is gone without an answer, it was lost with its worker and is sent again.
 */
export async function admitUpdate<Ret>(
  parts: UpdateParts,
  message: Message,
  /** True if the message was already sent. */
  isSent = false,
): Promise<WorkflowUpdateHandle<Ret>> {
  const { connection, updateId } = parts;
  let target = parts;
  let sent = isSent;
  let goneSince: number | undefined;
  const look = async (): Promise<{ value: WorkflowUpdateHandle<Ret> } | undefined> => {
    const { accepted, closed, waiting, next } = await stateOf(target);
    if (accepted) return { value: new WorkflowUpdateHandle<Ret>(target) };
    const key = updateKey(target.runId, updateId);
    if (!sent)
      await connection.reach((database) => withdraw(database, key)); // the answer to an earlier update with this id
    else {
      const answer = await connection.reach((database) => takeAnswer(database, key));
      if (answer !== undefined) return { value: new WorkflowUpdateHandle<Ret>(target, decodeFailure(answer.payload)) };
    }
    if (next !== undefined) {
      // A successor receives the messages that its predecessor has not read.
      target = { ...target, runId: next };
      goneSince = undefined;
      return look();
    }
    if (closed) throw WorkflowNotFoundError.closed(target.workflowId, target.runId);
    goneSince = waiting ? undefined : (goneSince ?? performance.now());
    if (sent && (goneSince === undefined || performance.now() - goneSince < lostAfterMs)) return undefined;
    // If the run has closed meanwhile, the next look finds that out.
    const delivery = await sendMessage(connection, target.runId, message);
    sent ||= delivery !== undefined;
    goneSince = undefined;
    return undefined;
  };
  return watch(() => target, look);
}

function watch<T>(target: () => UpdateParts, look: () => Promise<{ readonly value: T } | undefined>): Promise<T> {
  const { updateId, workflowId } = target();
  return watchMessage(
    () => ({ ...target(), id: updateId }),
    look,
    (reached) =>
      new WorkflowUpdateRPCTimeoutOrCancelledError(
        `Update ${updateId} of workflow ${workflowId} has no answer, and ${reached}. It may still be handled: get its ` +
          'outcome with getUpdateHandle(updateId), or send it again with the same id.',
      ),
  );
}

async function stateOf({ connection, runId, updateId, workflowId }: UpdateParts): Promise<UpdateState> {
  const state = await connection.reach((database) => readUpdate(database, runId, updateId));
  if (state !== undefined) return state;
  throw new WorkflowNotFoundError(
    `workflow not found for ID: ${workflowId} (run ${runId}). Check the id, or list the runs.`,
    workflowId,
    runId,
  );
}

function updateFailed(cause: Error): WorkflowUpdateFailedError {
  return new WorkflowUpdateFailedError('Workflow Update failed', cause);
}
