// A worker: one incarnation after the other until it is told to stop.
//
//   INITIALIZED ─► RUNNING ─► STOPPING ─► DRAINING ─► DRAINED ─► STOPPED
//                     └──────────┴───────────┴──► FAILED: it did not stop in time
import { IllegalStateError, RuntimeError } from '../../core/failure/runtime-error.ts';
import { declareDead } from '../../store/ownership/lease.ts';
import { storeBundle } from '../../store/runs/recorded-bundle.ts';
import { Incarnation, type IncarnationOptions } from './incarnation.ts';
import { RestartDelay } from './restart-delay.ts';

/** DRAINING: takes no new work and lets running activities end. DRAINED: nothing runs here any longer. */
export type WorkerState = 'INITIALIZED' | 'RUNNING' | 'STOPPING' | 'DRAINING' | 'DRAINED' | 'STOPPED' | 'FAILED';

const timerMsMax = 2_147_483_647;

/** Thrown by `run()` of a worker that did not stop within `shutdownForceTime`. Other workers take over its work. */
export class GracefulShutdownPeriodExpiredError extends RuntimeError {
  constructor() {
    super('TIMEOUT', 'Timed out while waiting for worker to shutdown gracefully');
    this.name = 'GracefulShutdownPeriodExpiredError';
  }
}

export interface WorkerProcessOptions extends IncarnationOptions {
  /** How long running activities may continue after `shutdown`. */
  readonly shutdownGraceMs: number;
  /** How long after `shutdown` the worker breaks off; undefined: never. */
  readonly shutdownForceMs: number | undefined;
  /** False: runs cannot be replayed with the code that recorded them, only with code that the caller gives. */
  readonly storesBundle: boolean;
}

export class WorkerProcess {
  readonly #options: WorkerProcessOptions;
  #state: WorkerState = 'INITIALIZED';
  #incarnation: Incarnation | undefined;
  #wakeUp: (() => void) | undefined;
  #stopping: Promise<void> | undefined;
  readonly #forced = Promise.withResolvers<never>();
  #isBreakingOff = false;
  #hasStoredBundle = false;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.#forced.promise.catch(() => undefined); // no unhandled rejection; `run` still rejects
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

  /**
   * Works until `shutdown`. If the database or the lease is lost, begins a new incarnation as soon as possible.
   * @throws GracefulShutdownPeriodExpiredError by the promise; IllegalStateError at once if `run` was called before
   */
  run(): Promise<void> {
    if (this.#state !== 'INITIALIZED') {
      throw new IllegalStateError(`This worker is ${this.#state}: run() can be called once. Create another worker.`);
    }
    this.#state = 'RUNNING';
    return this.#run();
  }

  async #run(): Promise<void> {
    try {
      await Promise.race([this.#live(), this.#forced.promise]);
      if (this.#isBreakingOff) await this.#forced.promise;
      this.#state = 'STOPPED';
    } catch (error) {
      this.#state = 'FAILED';
      throw error;
    }
  }

  /** Takes no new work, lets running activities end within the grace time, and gives all runs back. */
  shutdown(): void {
    if (this.#state !== 'RUNNING') return;
    this.#state = 'STOPPING';
    this.#wakeUp?.();
    const { shutdownForceMs } = this.#options;
    if (shutdownForceMs !== undefined) {
      const timer = setTimeout(() => void this.#force(), Math.min(shutdownForceMs, timerMsMax));
      void this.#forced.promise.catch(() => clearTimeout(timer));
      timer.unref();
    }
    if (this.#incarnation !== undefined) this.#stopping = this.#stop(this.#incarnation);
  }

  async #live(): Promise<void> {
    const { logger } = this.#options;
    const delay = new RestartDelay();
    while (this.#state === 'RUNNING') {
      try {
        await this.#storeBundle();
        this.#incarnation = await Incarnation.begin(this.#options);
        logger.debug({ epoch: this.#incarnation.epoch, taskQueue: this.#options.taskQueue }, 'worker runs');
        const begun = performance.now();
        if (this.#isStopping()) {
          await this.#stop(this.#incarnation);
          break;
        }
        const reason = await this.#incarnation.ended;
        if (reason !== undefined) {
          const restartMs = delay.after(performance.now() - begun);
          logger.warn({ err: reason, epoch: this.#incarnation.epoch, restartMs }, 'worker begins anew');
          // An append may still be under way. This incarnation must write nothing after the next one has begun.
          await declareDead(this.#options.database, this.#incarnation.epoch, 'lost touch');
          await this.#pause(restartMs);
        }
      } catch (error) {
        if (this.#isStopping()) break;
        const restartMs = delay.after(0);
        logger.warn({ err: error, restartMs }, 'worker cannot reach the database, will try again');
        await this.#pause(restartMs);
      }
    }
    await this.#stopping;
  }

  /** Before the first run, so that every run can be replayed with its code. Failing to store it stops no worker. */
  async #storeBundle(): Promise<void> {
    const { database, sandbox, storesBundle, logger } = this.#options;
    const { bundle } = sandbox;
    if (bundle === undefined || !storesBundle || this.#hasStoredBundle) return;
    this.#hasStoredBundle = true;
    await storeBundle(database, bundle.hash, () => JSON.stringify(bundle)).catch((error: unknown) => {
      logger.warn({ err: error }, 'the workflow bundle cannot be stored: replays of its runs need a path to the code');
    });
  }

  #stop(incarnation: Incarnation): Promise<void> {
    return incarnation.stop(this.#options.shutdownGraceMs, (state) => {
      this.#state = state;
    });
  }

  async #force(): Promise<void> {
    if (this.#state === 'STOPPED') return;
    this.#isBreakingOff = true;
    this.#options.logger.warn('worker did not stop in time, it breaks off');
    await this.#incarnation?.breakOff();
    this.#forced.reject(new GracefulShutdownPeriodExpiredError());
  }

  #isStopping(): boolean {
    return this.#state !== 'RUNNING';
  }

  async #pause(ms: number): Promise<void> {
    if (ms === 0 || this.#isStopping()) return;
    await new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
      setTimeout(resolve, ms);
    });
    this.#wakeUp = undefined;
  }
}
