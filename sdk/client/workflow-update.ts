// Sending an update, and waiting for what becomes of it.
import { randomUUID } from 'node:crypto';
import { decodeFailure } from '../../runtime/core/failure/failure-info.ts';
import { ApplicationFailure } from '../../runtime/core/failure/failure.ts';
import { decodePayload } from '../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { Message } from '../../runtime/store/messages/inbox.ts';
import { peekAnswer, takeAnswer, withdraw } from '../../runtime/store/messages/requests.ts';
import { readStartedMeta } from '../../runtime/store/runs/runs.ts';
import { readUpdate, updateKey, type UpdateState } from '../../runtime/store/messages/updates.ts';
import { limitReached, waitAtMost, whenAborted } from './call-limits.ts';
import {
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from './client-errors.ts';
import type { Connection } from '../common/connection.ts';
import { checkName, encodeArguments } from './encode-arguments.ts';
import {
  argumentList,
  checkOptions,
  notYet,
  optionTable,
  type OptionTable,
  unchecked,
} from '../../runtime/core/options/option-table.ts';
import { sendMessage } from './send-message.ts';

/** `args` may be left out when there are none. */
export type WorkflowUpdateOptions<Args extends readonly unknown[]> = {
  /** The update's key within its run; default a new one. */
  readonly updateId?: string;
} & ([] extends Args ? { readonly args?: Args } : { readonly args: Args });

export type StartUpdateOptions<Args extends readonly unknown[]> = WorkflowUpdateOptions<Args> & {
  readonly waitForStage: 'ACCEPTED';
};

export interface GetWorkflowUpdateHandleOptions {
  /** Default: the run of the handle, or that of its chain that knows the update. */
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
  /** Of an update that somebody has sent before, perhaps: its run is to be looked for. */
  readonly search?: UpdateSearch;
}

/** Where an update is looked for. */
export interface UpdateSearch {
  /** The latest run of those that are meant. @throws WorkflowNotFoundError */
  latestRun(): Promise<string>;
  /** The runs before and after it are meant too. */
  readonly inChain: boolean;
}

interface UpdateParts extends UpdateHandleParts {
  readonly runId: string;
}

/** How long to wait between looks, ms; a notice comes sooner. */
const firstWaitMs = 5;
const longestWaitMs = 1_000;
/**
 * A message that has been gone for so long without an answer, ms, was lost with its worker. Generous: a refusal comes a
 * little after the commit that took the message, and sent again the update might be accepted.
 */
const lostAfterMs = 3_000;
/** How many runs of a chain are looked through for an update, from the latest back. */
const chainMax = 100;

/** An update that was accepted, or rejected. */
export class WorkflowUpdateHandle<Ret = unknown> {
  readonly updateId: string;
  readonly workflowId: string;
  /** Undefined when the handle was made for a workflow id without a run. */
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
   * What the handler returned; waits for it.
   * @throws WorkflowUpdateFailedError when the update was rejected, its handler failed, or the run closed before it ended;
   * WorkflowNotFoundError, also when no such update is known; WorkflowUpdateRPCTimeoutOrCancelledError
   */
  async result(): Promise<Ret> {
    if (this.#rejection !== undefined) throw updateFailed(this.#rejection);
    const { search } = this.#parts;
    const runId = search === undefined ? this.workflowRunId! : await findUpdate(this.#parts, search);
    let target: UpdateParts = { ...this.#parts, runId };
    // What a run has not read goes with it to the one that it continues as.
    let follows = search?.inChain ?? false;
    let waitedUntil: number | undefined;
    const look = async (): Promise<{ value: Ret } | undefined> => {
      const state = await stateOf(target);
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

/** Of an accepted update; undefined while its handler has not ended. */
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

/** The latest run that knows the update, by its log or its mail; the latest of all when none does. */
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

/** Why an update was rejected, as long as its sender has not asked. */
async function rejectionOf({ connection, runId, updateId }: UpdateParts): Promise<Error | undefined> {
  const answer = await connection.reach((database) => peekAnswer(database, updateKey(runId, updateId)));
  return answer === undefined ? undefined : decodeFailure(answer.payload);
}

function updateNotFound({ workflowId, runId, updateId }: UpdateParts): WorkflowNotFoundError {
  const message = `workflow update not found: ${updateId} of workflow ${workflowId} (run ${runId}). It was not sent, or it was rejected. Check the update id, or send it with executeUpdate.`;
  return new WorkflowNotFoundError(message, workflowId, runId);
}

/** Checks what an update is called with. @throws INVALID_INPUT, NOT_SERIALISABLE, PAYLOAD_TOO_LARGE */
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
      `startUpdate waits for stage ${String(waitForStage)}, expected waitForStage: 'ACCEPTED'. To wait for the outcome use executeUpdate.`,
    );
  }
  const name = checkName('The update name', typeof update === 'string' ? update : update.name);
  const payload = encodeArguments(`update ${name}`, args ?? [], maxPayloadBytes);
  const id = checkName('updateId', updateId);
  return { updateId: id, message: { type: 'UpdateAccepted', name, payload, correlationId: id } };
}

/**
 * Sends an update unless one of this id was accepted before, and waits until it is accepted or rejected. A message that
 * is gone without an answer was lost with its worker: it is sent again.
 */
export async function admitUpdate<Ret>(
  parts: UpdateParts,
  message: Message,
  /** The message was sent already. */
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
      await connection.reach((database) => withdraw(database, key)); // an answer to an earlier one
    else {
      const answer = await connection.reach((database) => takeAnswer(database, key));
      if (answer !== undefined) return { value: new WorkflowUpdateHandle<Ret>(target, decodeFailure(answer.payload)) };
    }
    if (next !== undefined) {
      // What a run has not read goes with it to the one that it continues as.
      target = { ...target, runId: next };
      goneSince = undefined;
      return look();
    }
    if (closed) throw WorkflowNotFoundError.closed(target.workflowId, target.runId);
    goneSince = waiting ? undefined : (goneSince ?? performance.now());
    if (sent && (goneSince === undefined || performance.now() - goneSince < lostAfterMs)) return undefined;
    // Refused by a run that has closed since: the next look tells how.
    const delivery = await sendMessage(connection, target.runId, message);
    sent ||= delivery !== undefined;
    goneSince = undefined;
    return undefined;
  };
  return watch(() => target, look);
}

/** Looks until `look` finds something: whenever there is a notice about the update, and now and then. */
async function watch<T>(target: () => UpdateParts, look: () => Promise<{ readonly value: T } | undefined>): Promise<T> {
  const { connection, updateId, workflowId } = target();
  const abortion = whenAborted();
  try {
    for (let wait = firstWaitMs; ; wait = Math.min(wait * 2, longestWaitMs)) {
      const reached = limitReached();
      if (reached !== undefined) {
        throw new WorkflowUpdateRPCTimeoutOrCancelledError(
          `Update ${updateId} of workflow ${workflowId} is not answered, and ${reached}. It may still be handled: ask for ` +
            'its outcome by getUpdateHandle(updateId), or send it again with the same id.',
        );
      }
      const key = updateKey(target().runId, updateId);
      const told = await connection.reach(() => connection.outcomes.told(key));
      try {
        const found = await look();
        if (found !== undefined) return found.value;
        await Promise.race([told.within(waitAtMost(wait)), abortion.aborted]);
      } finally {
        told.done();
      }
    }
  } finally {
    abortion.done();
  }
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
