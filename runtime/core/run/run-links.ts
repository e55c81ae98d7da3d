// A run's pending relations to other runs: children that have not closed, and messages whose delivery is not in the log
// yet. A fold of the log, so that a new owner, or whoever finishes the work of a closed run, gets the same result.
import type { ExternalMeta } from '../log/activation.ts';
import type { ChildMeta } from './start-meta.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';

export interface OpenChild {
  readonly seq: number;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly meta: ChildMeta;
  readonly initiatedAt: Micros;
  /** The child's start is in the log. */
  isStarted: boolean;
  /** The fork that starts the child once more, and so gives it another run id. */
  restartedBy?: string;
}

/** A signal or cancel request that the run sent. */
export interface OpenMessage {
  readonly seq: number;
  readonly kind: 'signal' | 'cancel';
  /** Signal name; null for a cancel request. */
  readonly name: string | null;
  readonly workflowId: string;
  readonly meta: ExternalMeta;
}

export class RunLinks {
  readonly children: Map<number, OpenChild> = new Map();
  readonly messages: Map<number, OpenMessage> = new Map();

  /** Returns true when the event concerns these relations. */
  record(event: HistoryEvent): boolean {
    switch (event.type) {
      case 'ChildWorkflowInitiated':
        this.children.set(event.seq, {
          seq: event.seq,
          workflowId: event.correlationId ?? '',
          workflowType: event.name ?? '',
          meta: JSON.parse(event.meta ?? '{}') as ChildMeta,
          initiatedAt: event.at,
          isStarted: false,
        });
        return true;
      case 'ChildWorkflowStarted': {
        const child = this.children.get(event.answers!);
        if (child !== undefined) child.isStarted = true;
        return true;
      }
      case 'ChildWorkflowStartFailed':
      case 'ChildWorkflowCompleted':
      case 'ChildWorkflowFailed':
      case 'ChildWorkflowCancelled':
      case 'ChildWorkflowTimedOut':
      case 'ChildWorkflowTerminated':
        this.children.delete(event.answers!);
        return true;
      case 'ExternalSignalInitiated':
      case 'ExternalCancelInitiated':
        this.messages.set(event.seq, {
          seq: event.seq,
          kind: event.type === 'ExternalSignalInitiated' ? 'signal' : 'cancel',
          name: event.name,
          workflowId: event.correlationId ?? '',
          meta: JSON.parse(event.meta ?? '{}') as ExternalMeta,
        });
        return true;
      case 'ExternalSignalDelivered':
      case 'ExternalSignalFailed':
      case 'ExternalCancelDelivered':
      case 'ExternalCancelFailed':
        this.messages.delete(event.answers!);
        return true;
      default:
        return false;
    }
  }

  /** A fork starts a child once more that did not complete in the abandoned part of its history. */
  restart(seq: number, forkId: string): void {
    const child = this.children.get(seq);
    if (child !== undefined) Object.assign(child, { isStarted: false, restartedBy: forkId });
  }

  get isEmpty(): boolean {
    return this.children.size === 0 && this.messages.size === 0;
  }

  /** True if the log does not yet show that every message was delivered and every child started. */
  get hasUnsent(): boolean {
    if (this.messages.size > 0) return true;
    for (const child of this.children.values()) if (!child.isStarted) return true;
    return false;
  }
}
