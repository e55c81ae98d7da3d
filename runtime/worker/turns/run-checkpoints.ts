// What the owner of one run knows about the run's checkpoints: the log since the last one, and what is under way.
import type { TailCounter } from '../../core/recovery/checkpoint-tail.ts';
import type { HistoryEvent } from '../../core/log/event.ts';

export class RunCheckpoints {
  readonly counter: TailCounter;
  /** False until the part of the tail that this owner has not seen is read from the database. */
  isKnown = false;
  /** The strategy was not asked about the last turn, because that part was not known. */
  isUnasked = false;
  /** Patches before the first turn that this owner counted. */
  earlierPatches = 0;
  /** Resolves when that part is read, or cannot be read. */
  ready: Promise<void> | undefined;
  /** Number of checkpoints that the strategy asked for and that are being written. */
  writing = 0;

  constructor(counter: TailCounter) {
    this.counter = counter;
  }

  add(event: HistoryEvent): void {
    this.counter.add(event);
  }
}
