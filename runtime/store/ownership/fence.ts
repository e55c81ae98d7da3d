// The fence that each write of a worker names, so that a worker that was declared dead cannot write.

/** A worker's epoch, and the slot of one of its rows in `fences`. */
export interface Fence {
  readonly epoch: number;
  readonly slot: number;
}
