// The tree of runs that came from each other: continuations, retries, scheduled runs, forks and children. Pure: orders
// the rows that the store reads. A chain of runs stays on one level, because a chain may have thousands of runs.
import type { RunStatus } from '../log/transition.ts';
import type { StartedMeta } from './start-meta.ts';

/** How a run came to be. `start`: a client started it. `replay`: a fork for comparison only. */
export type LineageRelation = 'start' | 'continued' | 'retry' | 'cron' | 'fork' | 'replay' | 'child';

export interface LineageRun {
  readonly runId: string;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly status: RunStatus;
  readonly startedAt: Date;
  readonly closedAt: Date | undefined;
  readonly relation: LineageRelation;
  /** The run that it came from, which may be missing from the tree. */
  readonly from: string | undefined;
  /** For a fork, the last event that it shares with its origin. For a child, the event of the parent that started it. */
  readonly fromSeq: number | undefined;
  /** Attempt under the workflow's retry policy, from 1. */
  readonly attempt: number;
  /** The fork that goes on in place of this run. */
  readonly takenOverBy: string | undefined;
  /** A fork that exists for comparison only, hidden from lists. */
  readonly isReplay: boolean;
  /** The verb that made a fork, such as `reset`. */
  readonly verb: string | undefined;
  /** Who made a fork. */
  readonly actor: string | undefined;
  /** Why a fork was made. */
  readonly reason: string | undefined;
  /** The reason that the closing event gives. */
  readonly closeReason: string | undefined;
  /** Depth in the tree, from 0. */
  readonly depth: number;
}

/** A run as the store reads it. */
export interface LineageRow
  extends Pick<
    LineageRun,
    | 'runId'
    | 'workflowId'
    | 'workflowType'
    | 'status'
    | 'startedAt'
    | 'closedAt'
    | 'takenOverBy'
    | 'isReplay'
    | 'closeReason'
  > {
  readonly forkedFrom: string | undefined;
  readonly forkedSeq: number | undefined;
  readonly start: Partial<StartedMeta>;
  readonly forkVerb: string | undefined;
  readonly forkActor: string | undefined;
  readonly forkReason: string | undefined;
}

interface Node {
  readonly row: LineageRow;
  readonly origin: Origin;
  readonly next: Node[];
  readonly branches: Node[];
}
type Origin = Pick<LineageRun, 'relation' | 'from' | 'fromSeq'>;

/**
 * The runs in the order in which a tree shows them: each run, then what branched off from it, then its successor.
 * `isMeant` selects runs; the result holds only trees that contain one of them.
 */
export function lineageTree(rows: readonly LineageRow[], isMeant: (row: LineageRow) => boolean): LineageRun[] {
  const nodes = new Map(rows.map((row) => [row.runId, nodeOf(row)]));
  const roots: Node[] = [];
  for (const node of [...nodes.values()].sort(byStart)) {
    const from = node.origin.from === undefined ? undefined : nodes.get(node.origin.from);
    if (from === undefined) roots.push(node);
    else (isBranch(node) ? from.branches : from.next).push(node);
  }
  const runs: LineageRun[] = [];
  for (const root of roots) {
    const tree = treeOf(root);
    if (!tree.some(({ node }) => isMeant(node.row))) continue;
    for (const { node, depth } of tree) runs.push(runOf(node, depth, nodes));
  }
  return runs;
}

function nodeOf(row: LineageRow): Node {
  return { row, origin: originOf(row), next: [], branches: [] };
}

function originOf({ forkedFrom, forkedSeq, isReplay, start }: LineageRow): Origin {
  if (forkedFrom !== undefined) return { relation: isReplay ? 'replay' : 'fork', from: forkedFrom, fromSeq: forkedSeq };
  const { continuedFrom, attempt = 1, parent } = start;
  if (continuedFrom !== undefined) {
    return { relation: attempt > 1 ? 'retry' : 'continued', from: continuedFrom, fromSeq: undefined };
  }
  if (parent !== undefined) return { relation: 'child', from: parent.runId, fromSeq: parent.seq };
  return { relation: 'start', from: undefined, fromSeq: undefined };
}

function isBranch({ origin: { relation } }: Node): boolean {
  return relation === 'fork' || relation === 'replay' || relation === 'child';
}

/** Run ids are UUIDv7, so they break ties in the order of their creation. */
function byStart({ row: a }: Node, { row: b }: Node): number {
  return a.startedAt.getTime() - b.startedAt.getTime() || (a.runId < b.runId ? -1 : 1);
}

interface Placed {
  readonly node: Node;
  readonly depth: number;
}

/** Without recursion, because a chain may be long. */
function treeOf(root: Node): Placed[] {
  const placed: Placed[] = [];
  const stack: Placed[] = [{ node: root, depth: 0 }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, depth } = top;
    placed.push(top);
    const branches = node.branches.toSorted((a, b) => (a.origin.fromSeq ?? 0) - (b.origin.fromSeq ?? 0));
    const after = [
      ...branches.map((branch) => ({ node: branch, depth: depth + 1 })),
      ...node.next.map((next) => ({ node: next, depth })),
    ];
    stack.push(...after.reverse());
  }
  return placed;
}

function runOf({ row, origin }: Node, depth: number, nodes: ReadonlyMap<string, Node>): LineageRun {
  const { forkedFrom: _, forkedSeq: _2, start, forkVerb, forkActor, forkReason, ...rest } = row;
  const before = origin.from === undefined ? undefined : nodes.get(origin.from)?.row;
  // A run that follows a run which did not continue as new was started by the schedule.
  const isCron = origin.relation === 'continued' && before !== undefined && before.status !== 'continued_as_new';
  return {
    ...rest,
    ...origin,
    ...(isCron ? { relation: 'cron' as const } : {}),
    attempt: start.attempt ?? 1,
    verb: forkVerb,
    actor: forkActor,
    reason: forkReason,
    depth,
  };
}
