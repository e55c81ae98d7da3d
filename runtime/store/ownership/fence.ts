// The fence that each write of a worker names, so that a worker without its lease writes nothing.

/** A worker's epoch, and one of its rows in `fences`. */
export interface Fence {
  readonly epoch: number;
  readonly slot: number;
}
