// Checkpoints of contexts: after a turn is in the log, asks the run's strategy whether the document is worth one, and
// writes the row behind the run's back. A lost or failed write costs nothing but time, because the log has the state.
// Never part of an append, never waits for the disk. A run without a context costs one comparison per turn.
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import type { CheckpointTrigger } from '../../core/recovery/checkpoint.ts';
import { automaticShare, dueTrigger } from '../../core/recovery/checkpoint-strategy.ts';
import { TailCounter } from '../../core/recovery/checkpoint-tail.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { InFlight } from '../../flow/in-flight.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import { type NewCheckpoint, writeCheckpoint } from '../../store/checkpoints/checkpoints.ts';
import { readTail } from '../../store/checkpoints/read-tail.ts';
import type { RunWorker } from '../life/run-worker.ts';
import type { LiveRun } from './live-run.ts';
import { RunCheckpoints } from './run-checkpoints.ts';
import type { BuiltTurn } from './turn-builder.ts';

const compress = promisify(zstdCompress);
/** Checkpoints of one run that may be written at the same time. More than that, the database is too slow for them. */
const writingMax = 8;

/** A state at the end of a turn, without the counts. */
interface Snapshot extends Pick<NewCheckpoint, 'runId' | 'seq' | 'logHash' | 'contextSeq' | 'name' | 'trigger'> {
  readonly text: string;
}

export class Checkpoints {
  readonly #worker: RunWorker;
  readonly #writes = new InFlight();

  constructor(worker: RunWorker) {
    this.#worker = worker;
  }

  /** Call when a turn is in the log and folded, before its code can see another one. Throws nothing. */
  committed(run: LiveRun, turn: BuiltTurn): void {
    // A turn without events only deletes messages.
    if (run.state.contextSeq === 0 || run.sandbox === undefined || turn.events.length === 0) return;
    try {
      this.#consider(run, run.sandbox, turn);
    } catch (error) {
      this.#notTaken(run.runId, error);
    }
  }

  #consider(run: LiveRun, sandbox: ActiveRun, { events, activated, failure }: BuiltTurn): void {
    if (sandbox.checkpointStrategy === 'off') return;
    run.checkpoints ??= this.#begin(run, events);
    const { checkpoints: known } = run;
    // After a turn without its code, the code may lack patches that the log has.
    known.isUnasked = false;
    if (!activated || failure !== undefined) return;
    const named = events.findLast(({ type }) => type === 'CheckpointSaved');
    known.isUnasked = named === undefined && !known.isKnown;
    const trigger = named === undefined ? this.#dueTrigger(run.runId, known, sandbox) : 'manual';
    if (trigger !== undefined) this.#takeNow(run, sandbox, known, trigger, named?.name ?? undefined);
  }

  /** The earlier part of the tail is known now, and no later turn may come for a long time. */
  #askAgain(run: LiveRun, known: RunCheckpoints): void {
    const { sandbox, phase, runId } = run;
    // While a turn is under way the code is ahead of the log, and the end of that turn asks anyway.
    const isBetweenTurns = phase === 'idle' || phase === 'queued';
    if (!known.isUnasked || sandbox === undefined || !isBetweenTurns || run.inputsToReplay.length > 0) return;
    known.isUnasked = false;
    const trigger = this.#dueTrigger(runId, known, sandbox);
    if (trigger !== undefined) this.#takeNow(run, sandbox, known, trigger, undefined);
  }

  #takeNow(
    { runId, state }: LiveRun,
    sandbox: ActiveRun,
    known: RunCheckpoints,
    trigger: CheckpointTrigger,
    name: string | undefined,
  ): void {
    const text = sandbox.contextText();
    if (text === undefined) return;
    const place = { runId, seq: state.seq, logHash: state.hash, contextSeq: state.contextSeq };
    this.#take(known, { ...place, trigger, name, text });
  }

  /** Waits for the rows that are being written, at most `ms`. */
  async drain(ms: number): Promise<void> {
    await this.#writes.drained(ms);
  }

  #begin(run: LiveRun, events: readonly HistoryEvent[]): RunCheckpoints {
    const first = events[0]!;
    const counter = new TailCounter(first.at);
    for (const event of events) counter.add(event);
    const known = new RunCheckpoints(counter);
    // Before seq 2 there is only the start that a client wrote.
    if (first.seq <= 2) known.isKnown = true;
    else known.ready = this.#readEarlier(run, known, first.seq - 1);
    return known;
  }

  async #readEarlier(run: LiveRun, known: RunCheckpoints, upTo: number): Promise<void> {
    const { runId } = run;
    try {
      const earlier = await this.#writes.track(readTail(this.#worker.database, runId, upTo));
      known.earlierPatches = earlier.allPatches;
      known.counter.addEarlier(earlier);
      known.isKnown = true;
      this.#askAgain(run, known);
    } catch (error) {
      this.#notTaken(runId, error);
    }
  }

  #dueTrigger(runId: string, known: RunCheckpoints, sandbox: ActiveRun): CheckpointTrigger | undefined {
    const strategy = sandbox.checkpointStrategy;
    // 'automatic' compares with the stored size of the last one.
    if (!known.isKnown || known.writing >= (strategy === 'automatic' ? 1 : writingMax)) return undefined;
    const { tail } = known.counter;
    if (typeof strategy !== 'function') return dueTrigger(strategy, tail);
    if (tail.patches === 0) return undefined;
    const verdict = sandbox.isCheckpointDue(tail);
    if (typeof verdict === 'boolean') return verdict ? 'function' : undefined;
    this.#notTaken(runId, `the checkpoint strategy of the workflow failed: ${verdict}`);
    return undefined;
  }

  #take(known: RunCheckpoints, snapshot: Snapshot): void {
    if (known.isKnown) return this.#write(known, snapshot);
    const { runId } = snapshot;
    const { allPatches } = known.counter;
    // A name may come before the earlier patches are counted.
    const later = async (): Promise<void> => {
      await known.ready;
      const earlier = known.isKnown ? known.earlierPatches : undefined;
      if (earlier !== undefined)
        await this.#store(snapshot, { progress: undefined, patches: earlier + allPatches }, Infinity);
    };
    void this.#writes.track(later()).catch((error: unknown) => this.#notTaken(runId, error));
  }

  #write(known: RunCheckpoints, snapshot: Snapshot): void {
    const { tail, allPatches } = known.counter;
    const ended = known.counter.begin();
    known.writing += 1;
    const mostBytes = snapshot.trigger === 'automatic' ? tail.bytes / automaticShare : Infinity;
    const storing = this.#store(snapshot, { progress: tail.progress, patches: allPatches }, mostBytes);
    void this.#writes.track(storing).then(
      ({ bytes, isKept }) => {
        known.writing -= 1;
        if (!isKept) known.counter.addEarlier(ended);
        known.counter.measured(bytes);
      },
      (error: unknown) => {
        known.writing -= 1;
        known.counter.addEarlier(ended);
        this.#notTaken(snapshot.runId, error);
      },
    );
  }

  /** Writes the row unless its stored size is above `mostBytes`. */
  async #store(
    { text, ...place }: Snapshot,
    counts: Pick<NewCheckpoint, 'progress' | 'patches'>,
    mostBytes: number,
  ): Promise<{ bytes: number; isKept: boolean }> {
    const { database, life } = this.#worker;
    const plain = Buffer.from(text);
    const state = await compress(plain);
    if (state.length > mostBytes) return { bytes: state.length, isKept: false };
    await writeCheckpoint(database, {
      ...place,
      ...counts,
      state,
      bytes: plain.length,
      worker: life.epoch,
      pinned: false,
    });
    return { bytes: state.length, isKept: true };
  }

  #notTaken(runId: string, error: unknown): void {
    const { life, logger } = this.#worker;
    if (!life.isOver) logger.warn({ err: error, runId }, 'a checkpoint was not taken; the log has the state');
  }
}
