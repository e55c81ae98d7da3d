// A person's patch of a run's context: a message that the run's code accepts or refuses. The caller learns which.
import { randomUUID } from 'node:crypto';
import { askedPatch } from '../../../runtime/core/context/asked-patch.ts';
import type { InputOp } from '../../../runtime/core/context/context-input.ts';
import { patchOrigin } from '../../../runtime/core/context/provenance.ts';
import { decodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { ApplicationFailure } from '../../../runtime/core/failure/failure.ts';
import { type ErrorCode, RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { engineNumber } from '../../../runtime/core/log/engine-number.ts';
import { checkOptions, optionTable, unchecked } from '../../../runtime/core/options/option-table.ts';
import { readLastEvent } from '../../../runtime/store/log/history.ts';
import { readPatchState } from '../../../runtime/store/messages/context-messages.ts';
import type { Message } from '../../../runtime/store/messages/inbox.ts';
import { isEngineKnownToAll } from '../../../runtime/store/ownership/lease.ts';
import { takeAnswer } from '../../../runtime/store/messages/requests.ts';
import { updateKey } from '../../../runtime/store/messages/updates.ts';
import type { Connection } from '../../common/connection.ts';
import { WorkflowNotFoundError } from '../client-errors.ts';
import { checkName, checkReason } from '../encode-arguments.ts';
import { sendMessage } from '../messages/send-message.ts';
import { lostAfterMs, watchMessage } from '../messages/watch-message.ts';

export interface PatchContextOptions {
  /** Why the document is changed. Stands in the log. */
  readonly reason: string;
  /** Who changes it; default 'client'. */
  readonly actor?: string;
  /** 0 to 1. */
  readonly confidence?: number;
}

/** Where the log holds the patch. */
export interface AppliedPatch {
  readonly runId: string;
  readonly seq: number;
}

interface Target {
  readonly connection: Connection;
  readonly workflowId: string;
  readonly runId: string;
  /** Whether a patch for a run that has closed goes to its successor. */
  readonly followsChain: boolean;
}

const patchOptions = optionTable<PatchContextOptions>(unchecked('reason', 'actor', 'confidence'));

/** The message of a patch. @throws CONTEXT_PATCH_INVALID, INVALID_INPUT, PAYLOAD_TOO_LARGE */
export function patchMessage(
  ops: InputOp | readonly InputOp[],
  options: PatchContextOptions,
  maxPayloadBytes: number,
): Message {
  checkOptions('patchContext', options, patchOptions);
  const { actor = 'client', confidence } = options;
  const reason = checkReason('patchContext', options.reason);
  const sourceId = checkName('actor', actor);
  const given = { source: 'user', sourceId, reason, ...(confidence === undefined ? {} : { confidence }) } as const;
  const patch = askedPatch(ops, patchOrigin(given, { source: 'user', sourceId }));
  const bytes = Buffer.byteLength(patch.ops);
  if (bytes > maxPayloadBytes) {
    throw new RuntimeError(
      'PAYLOAD_TOO_LARGE',
      `The patch has ${bytes} bytes, the limit is ${maxPayloadBytes}. Send it in parts, or raise maxPayloadBytes.`,
    );
  }
  return { type: 'ContextPatched', ops: patch.ops, source: 'user', sourceId, reason };
}

/** Sends the patch and waits until it is in the log or refused. A message that was lost is sent again. */
export async function sendPatch(target: Target, message: Message): Promise<AppliedPatch> {
  const { connection, workflowId } = target;
  if (!(await connection.reach((database) => isEngineKnownToAll(database, engineNumber)))) {
    throw new RuntimeError(
      'UNSUPPORTED_ENGINE',
      'A live worker of an earlier version of reprise cannot read patches of people. Nothing was sent. Upgrade the ' +
        'package of all workers, then patch again.',
    );
  }
  const requestId = randomUUID();
  let { runId } = target;
  let after = (await connection.reach((database) => readLastEvent(database, runId)))?.seq ?? 0;
  let sent = false;
  let goneSince: number | undefined;
  const look = async (): Promise<{ value: AppliedPatch } | undefined> => {
    const state = await connection.reach((database) => readPatchState(database, { runId, requestId, after }));
    if (state === undefined) throw WorkflowNotFoundError.closed(workflowId, runId);
    if (state.seq !== undefined) return { value: { runId, seq: state.seq } };
    if (sent) {
      const answer = await connection.reach((database) => takeAnswer(database, updateKey(runId, requestId)));
      if (answer !== undefined) throw refused(decodeFailure(answer.payload), runId);
    }
    // A message that the run has not read moves to its successor in any case.
    if (state.next !== undefined && (sent || target.followsChain)) {
      runId = state.next;
      after = 0;
      goneSince = undefined;
      return look();
    }
    if (state.closed) throw WorkflowNotFoundError.closed(workflowId, runId);
    goneSince = state.waiting ? undefined : (goneSince ?? performance.now());
    if (sent && (goneSince === undefined || performance.now() - goneSince < lostAfterMs)) return undefined;
    // If the run has closed meanwhile, the next look finds that out.
    const delivery = await sendMessage(connection, runId, { ...message, correlationId: requestId });
    sent ||= delivery !== undefined;
    goneSince = undefined;
    return undefined;
  };
  return watchMessage(
    () => ({ connection, runId, id: requestId }),
    look,
    (reached) =>
      new RuntimeError(
        'TIMEOUT',
        `The patch of workflow ${workflowId} has no answer, and ${reached}. It may still be applied: look at the patches ` +
          'of the run before you send it again. Check that a worker polls the task queue of the run.',
        { runId },
      ),
  );
}

function refused(failure: Error, runId: string): Error {
  if (!(failure instanceof ApplicationFailure)) return failure;
  return new RuntimeError((failure.type ?? 'CONTEXT_PATCH_INVALID') as ErrorCode, failure.message, { runId });
}
