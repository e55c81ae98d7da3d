// The attempts that this worker executes now, for its own runs and for other workers' runs. Each attempt keeps a slot
// until its function ends or it times out. Drains the attempts, and decides nothing about their outcomes.
import { InFlight } from '../../flow/in-flight.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { Attempt } from './attempt.ts';

/** How long an attempt may take to stop after it was told to stop. */
const stopMs = 5_000;

export class RunningAttempts {
  readonly #slots = new Map<Attempt, ActivitySlots>();
  readonly #inFlight = new InFlight();

  /** Executes an attempt that has already taken one of the slots. */
  async execute(attempt: Attempt, slots: ActivitySlots): Promise<void> {
    this.#slots.set(attempt, slots);
    this.#inFlight.enter();
    try {
      await attempt.execute();
    } finally {
      this.release(attempt);
    }
  }

  /** Returns the attempt's slot, once. A function that keeps running after its timeout must not keep the slot. */
  release(attempt: Attempt): void {
    const slots = this.#slots.get(attempt);
    if (slots === undefined) return;
    this.#slots.delete(attempt);
    this.#inFlight.leave();
    slots.give(1);
  }

  /**
   * Resolves when all attempts have ended. After `graceMs` it tells them to stop and then waits for at most `stopMs`.
   */
  async drain(graceMs: number): Promise<void> {
    if (await this.#inFlight.drained(graceMs)) return;
    for (const attempt of this.#slots.keys()) attempt.context.cancel('WORKER_SHUTDOWN');
    await this.#inFlight.drained(stopMs);
  }
}
