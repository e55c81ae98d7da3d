// The database's clock as this process estimates it, so that no turn has to ask for the time.
// Offsets come with heartbeats; the one measured over the shortest round trip of late is the most exact.
import type { Micros } from '../../core/log/event.ts';

const samplesKept = 16;

export class DatabaseClock {
  #samples: { offset: number; roundTrip: number }[] = [];
  #offset = 0;

  /** Local time, µs since 1970, never set back while the process lives. */
  static local(): number {
    return (performance.timeOrigin + performance.now()) * 1000;
  }

  /** Takes a reading of the database's clock that was asked for at `sent` and had arrived at `received` (local µs). */
  observe(databaseTime: Micros, sent: number, received: number): void {
    this.#samples.push({ offset: databaseTime - (sent + received) / 2, roundTrip: received - sent });
    if (this.#samples.length > samplesKept) this.#samples.shift();
    let best = this.#samples[0]!;
    for (const sample of this.#samples) if (sample.roundTrip < best.roundTrip) best = sample;
    this.#offset = best.offset;
  }

  now(): Micros {
    return Math.floor(DatabaseClock.local() + this.#offset);
  }

  /** Milliseconds until `due`, at least 0, at most what one timer can hold. */
  delayMs(due: Micros): number {
    return Math.min(Math.max(0, Math.ceil((due - this.now()) / 1000)), 2_147_483_647);
  }
}
