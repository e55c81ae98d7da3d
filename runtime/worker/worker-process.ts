// A worker: one incarnation after the other until it is told to stop.
import { IllegalStateError } from '../history/runtime-error.ts';
import { declareDead } from '../store/lease.ts';
import { Incarnation, type IncarnationOptions } from './incarnation.ts';

export type WorkerState = 'INITIALIZED' | 'RUNNING' | 'STOPPING' | 'STOPPED' | 'FAILED';

const retryMs = { first: 50, max: 2_000 } as const;

export class WorkerProcess {
  readonly #options: IncarnationOptions & { shutdownGraceMs: number };
  #state: WorkerState = 'INITIALIZED';
  #incarnation: Incarnation | undefined;
  #wakeUp: (() => void) | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: IncarnationOptions & { shutdownGraceMs: number }) {
    this.#options = options;
  }

  get state(): WorkerState {
    return this.#state;
  }

  get epoch(): number | undefined {
    return this.#incarnation?.epoch;
  }

  get runCount(): number {
    return this.#incarnation?.runCount ?? 0;
  }

  /** Works until `shutdown`. A lost database or a lost lease is no reason to end: it begins anew when it can. */
  async run(): Promise<void> {
    if (this.#state !== 'INITIALIZED') {
      throw new IllegalStateError(`This worker is ${this.#state}: run() can be called once. Create another worker.`);
    }
    this.#state = 'RUNNING';
    const { logger } = this.#options;
    let delay: number = retryMs.first;
    while (this.#state === 'RUNNING') {
      try {
        this.#incarnation = await Incarnation.begin(this.#options);
        logger.debug({ epoch: this.#incarnation.epoch, taskQueue: this.#options.taskQueue }, 'worker runs');
        delay = retryMs.first;
        if (this.#isStopping()) {
          await this.#incarnation.stop(this.#options.shutdownGraceMs);
          break;
        }
        const reason = await this.#incarnation.ended;
        if (reason !== undefined) {
          logger.warn({ err: reason, epoch: this.#incarnation.epoch }, 'worker begins anew');
          // An append may still be on its way: nothing of this incarnation may be written once the next one has begun.
          await declareDead(this.#options.database, this.#incarnation.epoch, 'lost touch');
        }
      } catch (error) {
        if (this.#isStopping()) break;
        logger.warn({ err: error, retryMs: delay }, 'worker cannot reach the database, will try again');
        await this.#pause(delay);
        delay = Math.min(delay * 2, retryMs.max);
      }
    }
    await this.#stopping;
    this.#state = 'STOPPED';
  }

  /** Takes no new work, lets running activities end within the grace time, gives all runs back. */
  shutdown(): void {
    if (this.#state !== 'RUNNING') return;
    this.#state = 'STOPPING';
    this.#wakeUp?.();
    this.#stopping = this.#incarnation?.stop(this.#options.shutdownGraceMs);
  }

  #isStopping(): boolean {
    return this.#state !== 'RUNNING';
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
      setTimeout(resolve, ms);
    });
    this.#wakeUp = undefined;
  }
}
