// A run's parent, root and children, for display. A view of RunState.
import type { RunLink } from '../log/activation.ts';
import type { RunState } from './run-state.ts';

export interface Family {
  /** The run that started this one as its child. */
  readonly parentExecution: RunLink | undefined;
  /** The run at the top of the family. */
  readonly rootExecution: RunLink;
  /**
   * When the run's first task is, or was, due.
   * Later than the start time if the run started with a delay, after a back-off, or on a schedule.
   */
  readonly executionTime: Date;
  readonly pendingChildren: readonly PendingChild[];
}

export interface PendingChild {
  readonly workflowId: string;
  readonly workflowType: string;
  readonly parentClosePolicy: 'TERMINATE' | 'ABANDON' | 'REQUEST_CANCEL';
  readonly isStarted: boolean;
}

export function familyOf({ runId, workflowId, parent, root, firstTaskAt, links }: RunState): Family {
  return {
    parentExecution: parent === undefined ? undefined : { workflowId: parent.workflowId, runId: parent.runId },
    rootExecution: root ?? { workflowId, runId },
    executionTime: new Date(firstTaskAt / 1000),
    pendingChildren: [...(links?.children.values() ?? [])].map((child) => ({
      workflowId: child.workflowId,
      workflowType: child.workflowType,
      parentClosePolicy: child.meta.parentClose ?? 'TERMINATE',
      isStarted: child.isStarted,
    })),
  };
}
