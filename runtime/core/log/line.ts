// The line of a run: which rows of the log make up its history. A fork stores only its own events, so the history of a
// fork begins with rows of its ancestors. Pure.

/** Rows of one run, from seq `first` to seq `last`, both included. */
export interface LineSegment {
  readonly runId: string;
  readonly first: number;
  readonly last: number;
}

/** The last seq that a run can have. The segment of the run itself ends here. */
export const seqMax = 2_147_483_647;

/** The runs whose rows make up a history. `line`: the ancestors' part, oldest first; undefined unless the run is a fork. */
export interface LogOwner {
  readonly runId: string;
  readonly line?: readonly LineSegment[] | undefined;
}

/** The id of the run whose row holds the event: the run itself, or an ancestor. */
export function runIdAt({ runId, line }: LogOwner, seq: number): string {
  if (line === undefined) return runId;
  for (const segment of line) if (seq <= segment.last) return segment.runId;
  return runId;
}

/** All segments of a history, the run's own last. */
export function wholeLine({ runId, line = [] }: LogOwner): readonly LineSegment[] {
  return [...line, { runId, first: (line.at(-1)?.last ?? 0) + 1, last: seqMax }];
}

/** The part of a line up to seq `upTo`: the line of a fork at that point. */
export function lineUpTo(segments: readonly LineSegment[], upTo: number): LineSegment[] {
  return segments
    .filter(({ first }) => first <= upTo)
    .map((segment) => (segment.last <= upTo ? segment : { ...segment, last: upTo }));
}

/** The last event that two histories have in common; 0 when they have none. */
export function commonSeq(one: readonly LineSegment[], other: readonly LineSegment[]): number {
  let common = 0;
  for (const [index, { runId, last }] of one.entries()) {
    const beside = other[index];
    if (beside === undefined || beside.runId !== runId) break;
    common = Math.min(last, beside.last);
    if (last !== beside.last) break;
  }
  return common;
}
