// What every write of a worker names, so that a worker that has lost its lease writes nothing.

/** A worker's epoch, and one of the rows of `fences` that stand for it. */
export interface Fence {
  readonly epoch: number;
  readonly slot: number;
}
