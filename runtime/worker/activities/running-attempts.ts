// The attempts that this worker executes now, for its own runs and for others: each keeps a slot until its function ends or
// its time is over. It drains them, and decides nothing about their outcomes.
import { InFlight } from '../../flow/in-flight.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { Attempt } from './attempt.ts';

/** How long an attempt may take to stop once it was told to. */
const stopMs = 5_000;

export class RunningAttempts {
  readonly #slots = new Map<Attempt, ActivitySlots>();
  readonly #inFlight = new InFlight();

  /** Executes an attempt that has taken one of the slots. */
  async execute(attempt: Attempt, slots: ActivitySlots): Promise<void> {
    this.#slots.set(attempt, slots);
    this.#inFlight.enter();
    try {
      await attempt.execute();
    } finally {
      this.release(attempt);
    }
  }

  /** Gives the attempt's slot back, once: a function that goes on after its time must not keep it for ever. */
  release(attempt: Attempt): void {
    const slots = this.#slots.get(attempt);
    if (slots === undefined) return;
    this.#slots.delete(attempt);
    this.#inFlight.leave();
    slots.give(1);
  }

  /** Resolves when all have ended. After `graceMs` it tells them to stop, and waits no longer than `stopMs`. */
  async drain(graceMs: number): Promise<void> {
    if (await this.#inFlight.drained(graceMs)) return;
    for (const attempt of this.#slots.keys()) attempt.context.cancel('WORKER_SHUTDOWN');
    await this.#inFlight.drained(stopMs);
  }
}
