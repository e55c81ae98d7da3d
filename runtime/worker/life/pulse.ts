// The heartbeat of an incarnation: extends its lease, measures the database's clock, and notices the death of others.
import type pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import { type Heartbeat, heartbeat } from '../../store/ownership/lease.ts';
import { DatabaseClock } from './clock.ts';
import type { Life } from './life.ts';

export interface PulseOptions {
  readonly client: pg.ClientBase;
  readonly schema: string;
  readonly leaseMs: number;
  readonly clock: DatabaseClock;
  readonly life: Life;
  /** Another incarnation is dead. Reports its own failures; a later beat asks again. */
  bury(epoch: number, reason: string): Promise<void>;
}

/** A lost session counts as a death only with a missed heartbeat as well. */
const missedMs = 150;

export class Pulse implements Looker {
  readonly everyMs = 100;
  readonly #options: PulseOptions;
  readonly #poller = new Poller(this);
  readonly #burying = new Set<number>();
  #lastBeat = performance.now();
  #healthySince = performance.now();

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  /** Resolves after the first beat. */
  async start(): Promise<void> {
    await this.look();
    this.#poller.start();
  }

  stop(): void {
    void this.#poller.stop();
  }

  failed(error: unknown): void {
    this.#options.life.lose(`a heartbeat failed: ${String(error)}`, error);
  }

  /** One beat at a time: one that is late is one that is missed. */
  async look(): Promise<void> {
    const { client, schema, leaseMs, clock, life } = this.#options;
    const late = performance.now() - this.#lastBeat;
    if (late > leaseMs) return life.lose(`no heartbeat came through for ${Math.round(late)} ms`);
    const sent = DatabaseClock.local();
    let beat: Heartbeat;
    try {
      beat = await heartbeat(client, schema, life.epoch, { leaseMs, missedMs });
    } catch (error) {
      return this.failed(error);
    }
    if (life.isOver) return;
    if (!beat.alive) {
      return life.end(new RuntimeError('LEASE_LOST', 'This worker was declared dead: its lease is gone.'));
    }
    clock.observe(beat.databaseTime, sent, DatabaseClock.local());
    if (late > leaseMs / 2) this.#healthySince = performance.now();
    this.#lastBeat = performance.now();
    // After a pause of the database everybody's lease looks over: believe that only after a whole lease of own heartbeats.
    const trusted = performance.now() - this.#healthySince > leaseMs;
    for (const { epoch, sessionEnded } of beat.suspects) {
      if (sessionEnded || trusted) void this.#bury(epoch, sessionEnded ? 'session ended' : 'lease expired');
    }
  }

  /** No heartbeat waits for it: a burial that takes longer than a lease must not cost this incarnation its own. */
  async #bury(epoch: number, reason: string): Promise<void> {
    if (this.#burying.has(epoch)) return;
    this.#burying.add(epoch);
    try {
      await this.#options.bury(epoch, reason);
    } finally {
      this.#burying.delete(epoch);
    }
  }
}
