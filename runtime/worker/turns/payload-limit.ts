// The size limit of a payload, for payloads that workflow code creates. Arguments of starts and signals, and results of
// activities, are checked where they are created.
import type { TaskFailure } from '../../core/log/activation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';

/** Why a turn cannot be appended; undefined when it can. */
export function overLimit(
  outputs: readonly HistoryEvent[],
  maxBytes: number,
  workflowType: string,
): TaskFailure | undefined {
  for (const output of outputs) {
    const { payload, ops, meta } = output;
    // `meta` can hold the user's data: a memo or a summary.
    const bytes = Math.max(payload?.length ?? 0, ops?.length ?? 0, meta?.length ?? 0);
    if (bytes <= maxBytes) continue;
    const message = `${contentOf(output, workflowType)} would have ${bytes} bytes, the limit is ${maxBytes}. Pass a reference to the data, or raise maxPayloadBytes.`;
    return { code: 'PAYLOAD_TOO_LARGE', message };
  }
  return undefined;
}

/** Names the oversized content as the author of the workflow knows it. */
function contentOf({ type, name }: HistoryEvent, workflowType: string): string {
  switch (type) {
    case 'WorkflowCompleted':
      return `The result of workflow ${workflowType}`;
    case 'WorkflowFailed':
      return `The failure of workflow ${workflowType}`;
    case 'WorkflowContinuedAsNew':
      return `What workflow ${workflowType} continues as new with`;
    case 'ActivityScheduled':
      return `The arguments of activity ${name}`;
    case 'ChildWorkflowInitiated':
      return `The arguments of child workflow ${name}`;
    case 'ExternalSignalInitiated':
      return `The arguments of signal ${name}`;
    case 'UpdateCompleted':
      return `The result of update ${name}`;
    case 'UpdateFailed':
      return `The failure of update ${name}`;
    case 'ContextPatched':
      return 'A patch of the context';
    case 'MemoUpserted':
      return 'The memo';
    case 'SearchAttributesUpserted':
      return 'The search attributes';
    default:
      return `A ${type}`;
  }
}
