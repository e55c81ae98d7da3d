// Who a run is: its ids, the facts of its start, and its random numbers. Until a history reaches a fork, these are those
// of the run that the history began with, so that the part before the fork is replayed as it was recorded.
import { assert } from '../../core/failure/runtime-error.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { changedStart, type ForkedMeta } from '../../core/run/forked-meta.ts';
import { readStartMeta, type StartedMeta } from '../../core/run/start-meta.ts';
import { Random, RandomStreams } from '../determinism/random.ts';

export class RunIdentity {
  #runId: string;
  #startEvent: HistoryEvent | undefined;
  #started: StartedMeta | undefined;
  #fork: ForkedMeta | undefined;
  #random: Random | undefined;
  randomStreams: RandomStreams = new RandomStreams(() => this.started.seed);

  /** `runId`: the run that the history begins with. */
  constructor(runId: string) {
    this.#runId = runId;
  }

  get runId(): string {
    return this.#runId;
  }

  get startEvent(): HistoryEvent {
    assert(this.#startEvent !== undefined, `run ${this.#runId} has not started`);
    return this.#startEvent;
  }

  get started(): StartedMeta {
    this.#started ??= this.#readStart();
    return this.#started;
  }

  get random(): Random {
    this.#random ??= new Random(this.started.seed);
    return this.#random;
  }

  /** Drops the arguments: a live run keeps nothing of its history. */
  start(event: HistoryEvent): void {
    this.#startEvent = { ...event, payload: null };
  }

  /** From here on the run is the fork. Only the code of a replay stays the origin. */
  become(fork: ForkedMeta): void {
    if (fork.replay !== undefined) return;
    const seed = this.#startEvent === undefined ? undefined : this.started.seed;
    this.#runId = fork.runId;
    this.#fork = fork;
    this.#started = undefined;
    // A repeated sequence of random numbers would repeat ids, so the streams begin again only with another seed.
    if (seed === undefined || seed === this.started.seed) return;
    this.#random = undefined;
    this.randomStreams = new RandomStreams(() => this.started.seed);
  }

  #readStart(): StartedMeta {
    const started = readStartMeta(this.startEvent);
    const fork = this.#fork;
    return fork === undefined ? started : changedStart({ firstRunId: fork.line[0]!.runId, ...started }, fork.start);
  }
}
