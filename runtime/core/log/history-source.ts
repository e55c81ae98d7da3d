// Where a replay reads the log of a run from: the database, or a file. Types only, so that no replay depends on SQL.
import type { HistoryEvent, Micros } from './event.ts';
import type { LineSegment } from './line.ts';
import type { RunStatus } from './transition.ts';

export interface HistoryRange {
  /** Exclusive; default 0. */
  readonly after?: number;
  /** Inclusive; default: the end of the log. */
  readonly upTo?: number;
  /**
   * What the payload of an ActivityScheduled is: `none`, the SHA-256 `digest` of the arguments, or the `whole` of them.
   * Workflow code computes the arguments again, so a replay needs none. Default `none`.
   */
  readonly arguments?: 'none' | 'digest' | 'whole';
}

export interface RecordedOps {
  readonly seq: number;
  readonly ops: string;
}

/** What a replay of workflow code reads. */
export interface HistoryPages {
  readonly runId: string;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly status: RunStatus;
  /** Seq of the last event when the source was opened. */
  readonly head: number;
  /** Where the events are, oldest first. A run that is not a fork has one segment: its own log. */
  readonly line: readonly LineSegment[];
  /** Hash of the workflow bundle that worked on the run last, hex; undefined when it is not known. */
  readonly bundleHash: string | undefined;
  /** The events in order, in non-empty pages. Walks the whole line. */
  pages(range?: HistoryRange): AsyncIterable<readonly HistoryEvent[]>;
  /** The same pages, to be decoded in another thread. Without it, the decoded events are sent there, which takes longer. */
  packedPages?(range?: HistoryRange): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

export interface HistorySource extends HistoryPages {
  /** Only the context patches up to a seq, as JSON texts of their operations. */
  patches(upTo: number): AsyncIterable<readonly RecordedOps[]>;
  /** The last event at or before a time; 0 when there is none. */
  seqAt(time: Micros): Promise<number>;
}
