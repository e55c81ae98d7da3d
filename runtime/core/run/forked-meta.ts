// The meta of WorkflowForked: where the fork begins, and what differs from the run that it was forked from.
import type { HistoryEvent } from '../log/event.ts';
import type { LineSegment } from '../log/line.ts';
import type { ReplayPolicy } from '../live-replay/replay-policy.ts';
import type { StartedMeta } from './start-meta.ts';

/** Parts of a start that a fork replaces. Null removes a part. */
export type StartChanges = { readonly [K in keyof StartedMeta]?: StartedMeta[K] | null };

export interface ForkedMeta {
  /** The fork. */
  readonly runId: string;
  /** The ancestors' part of the history, oldest first. It ends at the point of the fork. */
  readonly line: readonly LineSegment[];
  /** Engine number that replaying the run needs from here on. */
  readonly engine: number;
  /**
   * The start as it counts from here on: the changes of all forks of the line together. The random seed changes only
   * here.
   */
  readonly start?: StartChanges;
  /**
   * By the seq of a pending activity: the number of its last attempt in the abandoned part of the history. Attempt
   * numbers go on from there.
   */
  readonly attempts?: Readonly<Record<string, number>>;
  /** Pending `unsafe` activities of which an attempt began in the abandoned part. A person must decide about them. */
  readonly begun?: readonly number[];
  /** Pending activities that the origin executes itself. The fork waits until a person retries or skips them. */
  readonly held?: readonly number[];
  /** Pending children that start once more, because they did not complete. */
  readonly restarted?: readonly number[];
  /** The run that was forked. */
  readonly origin: string;
  /** A call that the abandoned part also made gets the idempotency key that it had there. */
  readonly keys?: 'same';
  /**
   * The fork is a replay with live activities. Its code keeps the identity of the origin, so that its calls are those of
   * the record.
   */
  readonly replay?: ReplayPolicy;
}

export function readForkedMeta(event: Pick<HistoryEvent, 'meta'>): ForkedMeta {
  return JSON.parse(event.meta ?? '{}') as ForkedMeta;
}

export function changedStart(started: StartedMeta, changes: StartChanges = {}): StartedMeta {
  const entries = Object.entries({ ...started, ...changes }).filter(([, value]) => value !== null);
  return Object.fromEntries(entries) as unknown as StartedMeta;
}
