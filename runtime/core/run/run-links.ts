// What a run has under way with other runs: children that have not ended, messages whose arrival is not in the log yet.
// A fold of its events, so that whoever takes over, or has to finish for a closed run, arrives at the same.
import type { ExternalMeta } from '../log/activation.ts';
import type { ChildMeta } from './start-meta.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';

export interface OpenChild {
  readonly seq: number;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly meta: ChildMeta;
  readonly initiatedAt: Micros;
  /** Its start is in the log. */
  isStarted: boolean;
}

/** A signal or a request for cancellation that was asked for. */
export interface OpenMessage {
  readonly seq: number;
  readonly kind: 'signal' | 'cancel';
  /** Of a signal. */
  readonly name: string | null;
  readonly workflowId: string;
  readonly meta: ExternalMeta;
}

export class RunLinks {
  readonly children: Map<number, OpenChild> = new Map();
  readonly messages: Map<number, OpenMessage> = new Map();

  /** True for the events that concern it. */
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

  /** Nothing is under way. */
  get isEmpty(): boolean {
    return this.children.size === 0 && this.messages.size === 0;
  }

  /** Something has not been sent for certain. */
  get hasUnsent(): boolean {
    if (this.messages.size > 0) return true;
    for (const child of this.children.values()) if (!child.isStarted) return true;
    return false;
  }
}
