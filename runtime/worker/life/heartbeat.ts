// The heartbeat of an incarnation: extends its lease, measures the database's clock, and declares other incarnations dead
// whose session ended or whose lease expired.
import type pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import { declareDead, type Heartbeat as Beat, heartbeat } from '../../store/ownership/lease.ts';
import type { Claims } from '../claim/claims.ts';
import { DatabaseClock } from './clock.ts';
import type { RunWorker } from './run-worker.ts';

/** A lost session counts as a death only if the worker has missed a heartbeat as well. */
const missedMs = 150;

export class Heartbeat implements Looker {
  readonly everyMs = 100;
  readonly #worker: RunWorker;
  readonly #client: pg.ClientBase;
  readonly #claims: Claims;
  readonly #poller = new Poller(this);
  /** Epochs of other incarnations that are being declared dead. */
  readonly #declaring = new Set<number>();
  #lastBeat = performance.now();
  #healthySince = performance.now();

  constructor(worker: RunWorker, client: pg.ClientBase, claims: Claims) {
    this.#worker = worker;
    this.#client = client;
    this.#claims = claims;
  }

  /** Resolves after the first heartbeat. */
  async start(): Promise<void> {
    await this.look();
    this.#poller.start();
  }

  stop(): void {
    void this.#poller.stop();
  }

  failed(error: unknown): void {
    this.#worker.life.lose(`a heartbeat failed: ${String(error)}`, error);
  }

  /** Sends one heartbeat at a time. */
  async look(): Promise<void> {
    const { database, leaseMs, clock, life } = this.#worker;
    const late = performance.now() - this.#lastBeat;
    if (late > leaseMs) return life.lose(`no heartbeat came through for ${Math.round(late)} ms`);
    const sent = DatabaseClock.local();
    let beat: Beat;
    try {
      beat = await heartbeat(this.#client, database.schema, life.epoch, { leaseMs, missedMs });
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
    // A stalled database stops all heartbeats, so expired leases count only after a whole lease of own heartbeats.
    const trusted = performance.now() - this.#healthySince > leaseMs;
    for (const { epoch, sessionEnded } of beat.suspects) {
      if (sessionEnded || trusted) void this.#declareDead(epoch, sessionEnded ? 'session ended' : 'lease expired');
    }
  }

  /**
   * Heartbeats do not wait for this call. It may take longer than a lease, which must not cost this incarnation its own
   * lease.
   */
  async #declareDead(epoch: number, reason: string): Promise<void> {
    if (this.#declaring.has(epoch)) return;
    this.#declaring.add(epoch);
    const { database, logger } = this.#worker;
    try {
      const freed = await declareDead(database, epoch, reason);
      logger.warn({ epoch, reason, runs: freed }, 'worker died, its runs are free');
      if (freed > 0) this.#claims.poke(true);
    } catch (error) {
      logger.warn({ err: error, epoch }, 'could not declare a worker dead, will try again'); // at a later heartbeat
    } finally {
      this.#declaring.delete(epoch);
    }
  }
}
