// Failures as lines of text: the type and the message of a failure, and of each of its causes.
import { type FailureInfo, failureInfo } from '../../../runtime/core/failure/failure-info.ts';

/** The failure and its causes, outermost first; undefined if the value is not a failure. */
export function failureChain(value: unknown): FailureInfo[] | undefined {
  const info = value instanceof Error ? failureInfo(value) : value;
  if (typeof info !== 'object' || info === null || !('kind' in info) || !('message' in info)) return undefined;
  const chain: FailureInfo[] = [];
  for (let link: FailureInfo | undefined = info as FailureInfo; link !== undefined; link = link.cause) chain.push(link);
  return chain;
}

export function failureLine(info: FailureInfo): string {
  return `${typeOf(info)}: ${info.message}`;
}

function typeOf(info: FailureInfo): string {
  switch (info.kind) {
    case 'application':
      return info.type ?? 'ApplicationFailure';
    case 'activity':
      return 'ActivityFailure';
    case 'child':
      return `ChildWorkflowFailure (${info.workflowType} ${info.workflowId})`;
    case 'timeout':
      return `TimeoutFailure (${info.timeoutType})`;
    case 'cancelled':
      return 'CancelledFailure';
    case 'terminated':
      return 'TerminatedFailure';
    case 'server':
      return 'ServerFailure';
    case 'alreadyStarted':
      return 'WorkflowExecutionAlreadyStartedError';
  }
}
