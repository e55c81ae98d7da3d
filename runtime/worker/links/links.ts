// Carries out what runs request of other runs (starts of children, signals, cancellation) once the request is durable.
// Retries until the answer is in the log. When a run changes its owner, the new owner sends the request again.
import { setTimeout } from 'node:timers/promises';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import type { OpenChild, OpenMessage } from '../../core/run/run-links.ts';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { type ChildStart, childStart, isToEnd, runExists } from '../../store/runs/child-run.ts';
import { readHistory } from '../../store/log/history.ts';
import { deliverOutbox, endOrphan } from '../../store/messages/outbox.ts';
import { announce, sendFromRun } from '../../store/messages/run-messages.ts';
import { isContention, isDataRefusal } from '../../store/sql/sqlstate.ts';
import { StartBatcher } from '../../store/runs/start-batcher.ts';
import { startWith } from '../../store/runs/start-with.ts';
import type { LiveRun } from '../turns/live-run.ts';
import type { RunWorker } from '../life/run-worker.ts';

const retryMs = { first: 20, max: 2_000 } as const;
/** The child of a run that a fork took the place of still has the workflow id of a child that the fork starts. */
class OtherRunOpenError extends Error {}

/** Limit of concurrent transactions, because each uses a connection of the pool that other calls need too. */
const lanes = 4;

export class Links implements BatchSender<string> {
  readonly #worker: RunWorker;
  readonly #starts: StartBatcher;
  readonly #lanes = new SerialQueue<number>();
  #nextLane = 0;
  readonly #closed = new Batcher<string>(this, { itemsMax: 500 });

  constructor(worker: RunWorker) {
    this.#worker = worker;
    this.#starts = new StartBatcher(worker.database);
  }

  /** Acts on an event that was just appended. */
  act(run: LiveRun, event: HistoryEvent): void {
    const { links } = run.state;
    if (!isSent(run, event.seq)) return;
    if (event.type === 'ChildWorkflowInitiated') this.#startChild(run, links!.children.get(event.seq)!, event.payload);
    else this.#sendMessage(run, links!.messages.get(event.seq)!, event.payload);
  }

  /** Repeats requests that may not have been sent, after the run was loaded into this process. */
  resume(run: LiveRun): void {
    if (run.state.links?.hasUnsent !== true) return;
    const { children, messages } = run.state.links;
    for (const child of children.values()) if (!child.isStarted && isSent(run, child.seq)) this.#startChild(run, child);
    for (const message of messages.values()) if (isSent(run, message.seq)) this.#sendMessage(run, message);
  }

  /** Notifies other runs that a run has closed. */
  closed(runId: string): void {
    this.#closed.add(runId);
  }

  /** Notifies other runs that these runs have closed. */
  async send(runIds: readonly string[]): Promise<void> {
    const { database, life } = this.#worker;
    try {
      const busy = await deliverOutbox(database, runIds);
      if (busy.length > 0) void this.#later(() => busy.forEach((runId) => this.closed(runId)));
    } catch (error) {
      life.warn('others could not be told of closed runs', error);
    }
  }

  #startChild(run: LiveRun, child: OpenChild, args?: Uint8Array | null): void {
    const { seq: answers, workflowType: name } = child;
    void this.#untilDone(
      run,
      () => run.state.links?.children.get(answers) === child && !child.isStarted,
      async () => {
        const { pool, schema } = this.#worker.database;
        const given = { child, args: args ?? (await this.#payload(run, answers)) };
        // Asked before the start, because a run that ends in between would look like one that stays.
        if (run.state.line !== undefined && (await isToEnd(pool, schema, run.state, child))) {
          throw new OtherRunOpenError();
        }
        const start = await childStart(pool, schema, run.state, given);
        const reason = await this.#start(start);
        if (reason === undefined && run.phase === 'gone') await endOrphan(this.#worker.database, run.state, child);
        const { runId: correlationId } = start.run;
        if (reason === undefined) return newEvent(0, 'ChildWorkflowStarted', { answers, name, correlationId });
        return newEvent(0, 'ChildWorkflowStartFailed', { answers, name, reason: reason === '' ? null : reason });
      },
    );
  }

  /** Returns undefined if the child's run exists, otherwise the reason; '' means that its workflow id is taken. */
  async #start(start: ChildStart): Promise<string | undefined> {
    const { database } = this.#worker;
    let reason = '';
    try {
      if (await this.#place(start)) return undefined;
    } catch (error) {
      if (!isDataRefusal(error)) throw error;
      reason = `The child could not be started: ${error instanceof Error ? error.message : String(error)}`;
    }
    // An earlier try, by this worker or by the run's last owner, may have started the child.
    return (await runExists(database.pool, database.schema, start.run.runId)) ? undefined : reason;
  }

  async #place({ run, timing, refusedAfter }: ChildStart): Promise<boolean> {
    const isPlain = refusedAfter.length === 0 && timing.delayMs === 0 && timing.deadlineMs === undefined;
    if (isPlain) return this.#starts.start(run);
    const { database } = this.#worker;
    const how = { useExisting: false, refusedAfter, timing };
    const placed = await this.#inLane(() => startWith(database, undefined, run, how));
    if (typeof placed === 'string') return false;
    announce(database, [{ runId: placed.runId, delivery: { owner: null, queue: run.queue } }]);
    return true;
  }

  #sendMessage(run: LiveRun, message: OpenMessage, payload?: Uint8Array | null): void {
    const { database, life, announcedMail } = this.#worker;
    void this.#untilDone(
      run,
      () => run.state.links?.messages.get(message.seq) === message,
      async () => {
        await this.#begun(run, message.meta.child);
        const args = message.kind === 'cancel' ? null : (payload ?? (await this.#payload(run, message.seq)));
        const sent = await this.#inLane(() => sendFromRun(database, life.epoch, run.state, message, args));
        if (sent === undefined) {
          const type = message.kind === 'signal' ? 'ExternalSignalFailed' : 'ExternalCancelFailed';
          return newEvent(0, type, { answers: message.seq, reason: 'there is no such open run' });
        }
        announce(
          database,
          sent.filter(({ runId }) => runId !== run.runId),
        );
        announcedMail.announce([run.runId]); // the acknowledgement arrives as mail
        return undefined;
      },
    );
  }

  /** Waits until the child that a message is meant for has started. */
  async #begun(run: LiveRun, child: number | undefined): Promise<void> {
    if (child === undefined) return;
    const isUnderWay = (): boolean => run.state.links?.children.get(child)?.isStarted === false;
    while (!this.#worker.life.isOver && run.phase !== 'gone' && isUnderWay()) {
      await setTimeout(retryMs.first, undefined, { ref: false });
    }
  }

  async #payload({ runId }: LiveRun, seq: number): Promise<Uint8Array> {
    for await (const page of readHistory(this.#worker.database, runId, { after: seq - 1, upTo: seq })) {
      if (page[0]?.payload) return page[0].payload;
    }
    return new Uint8Array();
  }

  #inLane<T>(work: () => Promise<T>): Promise<T> {
    return this.#lanes.run(work, this.#nextLane++ % lanes);
  }

  async #later(work: () => void): Promise<void> {
    await setTimeout(retryMs.first, undefined, { ref: false });
    if (!this.#worker.life.isOver) work();
  }

  /** Retries `work` until it succeeds or is no longer needed. The event that `work` returns goes into the run's log. */
  async #untilDone(run: LiveRun, isOpen: () => boolean, work: () => Promise<NewEvent | undefined>): Promise<void> {
    let delay: number = retryMs.first;
    run.sending++;
    while (!this.#worker.life.isOver && run.phase !== 'gone' && isOpen()) {
      try {
        const input = await work();
        if (input !== undefined && isOpen()) this.#worker.inputs.add(run, input);
        break;
      } catch (error) {
        const level = isContention(error) || error instanceof OtherRunOpenError ? 'debug' : 'warn';
        this.#worker.logger[level](
          { err: error, runId: run.runId },
          'another run could not be reached, will try again',
        );
        await setTimeout(delay, undefined, { ref: false });
        delay = Math.min(delay * 2, retryMs.max);
      }
    }
    run.sending--;
  }
}

/** A replay fork sends nothing, and starts only children that it may enter. */
function isSent({ replay }: LiveRun, seq: number): boolean {
  return replay === undefined || replay.isLive(seq);
}
