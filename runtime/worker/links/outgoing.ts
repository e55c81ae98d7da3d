// What runs ask of other runs, once it is durable: starts of children, signals, cancellation. Tried again until the answer
// is in the log; a run that is taken over has it sent by its new owner.
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import type { OpenChild, OpenMessage } from '../../core/run/run-links.ts';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { type ChildStart, childStart, runExists } from '../../store/runs/child-run.ts';
import type { Database } from '../../store/sql/database.ts';
import { readHistory } from '../../store/log/history.ts';
import { deliverOutbox, endOrphan } from '../../store/messages/outbox.ts';
import { announce, sendFromRun } from '../../store/messages/run-messages.ts';
import { isContention, isDataRefusal } from '../../store/sql/sqlstate.ts';
import { StartBatcher } from '../../store/runs/start-batcher.ts';
import { startWith } from '../../store/runs/start-with.ts';
import type { Life } from '../life/life.ts';
import type { AnnouncedMail } from '../turns/announced-mail.ts';
import type { RunInputs } from '../turns/run-inputs.ts';
import type { LiveRun } from '../turns/live-run.ts';

export interface OutgoingOptions {
  readonly database: Database;
  readonly life: Life;
  readonly logger: Logger;
  readonly inputs: RunInputs;
  readonly announced: AnnouncedMail;
}

const retryMs = { first: 20, max: 2_000 } as const;
/** Transactions under way at once; each has a connection of the pool, which others need too. */
const lanes = 4;

export class Outgoing implements BatchSender<string> {
  readonly #options: OutgoingOptions;
  readonly #starts: StartBatcher;
  readonly #lanes = new SerialQueue<number>();
  #nextLane = 0;
  readonly #closed = new Batcher<string>(this, { itemsMax: 500 });
  #stopped = false;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#starts = new StartBatcher(options.database);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Acts on an event that was just appended. */
  act(run: LiveRun, event: HistoryEvent): void {
    const { links } = run.state;
    if (event.type === 'ChildWorkflowInitiated') this.#startChild(run, links!.children.get(event.seq)!, event.payload);
    else this.#sendMessage(run, links!.messages.get(event.seq)!, event.payload);
  }

  /** Sends again what may not have been sent, after the run came into this process. */
  resume(run: LiveRun): void {
    if (run.state.links?.hasUnsent !== true) return;
    for (const child of run.state.links.children.values()) if (!child.isStarted) this.#startChild(run, child);
    for (const message of run.state.links.messages.values()) this.#sendMessage(run, message);
  }

  /** Has others hear of a closed run. */
  closed(runId: string): void {
    this.#closed.add(runId);
  }

  /** Has others hear of these closed runs. */
  async send(runIds: readonly string[]): Promise<void> {
    const { database, logger } = this.#options;
    try {
      const busy = await deliverOutbox(database, runIds);
      if (busy.length > 0) void this.#later(() => busy.forEach((runId) => this.closed(runId)));
    } catch (error) {
      if (!this.#stopped) logger.warn({ err: error }, 'others could not be told of closed runs, will try again');
    }
  }

  #startChild(run: LiveRun, child: OpenChild, args?: Uint8Array | null): void {
    const { seq: answers, workflowType: name } = child;
    void this.#untilDone(
      run,
      () => run.state.links?.children.get(answers) === child && !child.isStarted,
      async () => {
        const { pool, schema } = this.#options.database;
        const given = { child, args: args ?? (await this.#payload(run, answers)) };
        const start = await childStart(pool, schema, run.state, given);
        const reason = await this.#start(start);
        if (reason === undefined && run.phase === 'gone') await endOrphan(this.#options.database, run.state, child);
        const { runId: correlationId } = start.run;
        if (reason === undefined) return newEvent(0, 'ChildWorkflowStarted', { answers, name, correlationId });
        return newEvent(0, 'ChildWorkflowStartFailed', { answers, name, reason: reason === '' ? null : reason });
      },
    );
  }

  /** Undefined when the child's run is there; else why not, '' when its workflow id is taken. */
  async #start(start: ChildStart): Promise<string | undefined> {
    const { database } = this.#options;
    let reason = '';
    try {
      if (await this.#place(start)) return undefined;
    } catch (error) {
      if (!isDataRefusal(error)) throw error;
      reason = `The child could not be started: ${error instanceof Error ? error.message : String(error)}`;
    }
    // Or it was started before, by us or by the run's last owner.
    return (await runExists(database.pool, database.schema, start.run.runId)) ? undefined : reason;
  }

  async #place({ run, timing, refusedAfter }: ChildStart): Promise<boolean> {
    const isPlain = refusedAfter.length === 0 && timing.delayMs === 0 && timing.deadlineMs === undefined;
    if (isPlain) return this.#starts.start(run);
    const { database } = this.#options;
    const how = { useExisting: false, refusedAfter, timing };
    const placed = await this.#inLane(() => startWith(database, undefined, run, how));
    if (typeof placed === 'string') return false;
    announce(database, [{ runId: placed.runId, delivery: { owner: null, queue: run.queue } }]);
    return true;
  }

  #sendMessage(run: LiveRun, message: OpenMessage, payload?: Uint8Array | null): void {
    const { database, life, announced } = this.#options;
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
        announced.announce([run.runId]); // the arrival comes as mail
        return undefined;
      },
    );
  }

  /** A child whose start is under way gets its messages once it is there. */
  async #begun(run: LiveRun, child: number | undefined): Promise<void> {
    if (child === undefined) return;
    const isUnderWay = (): boolean => run.state.links?.children.get(child)?.isStarted === false;
    while (!this.#stopped && run.phase !== 'gone' && isUnderWay()) {
      await setTimeout(retryMs.first, undefined, { ref: false });
    }
  }

  async #payload({ runId }: LiveRun, seq: number): Promise<Uint8Array> {
    for await (const page of readHistory(this.#options.database, runId, { after: seq - 1, upTo: seq })) {
      if (page[0]?.payload) return page[0].payload;
    }
    return new Uint8Array();
  }

  #inLane<T>(work: () => Promise<T>): Promise<T> {
    return this.#lanes.run(work, this.#nextLane++ % lanes);
  }

  async #later(work: () => void): Promise<void> {
    await setTimeout(retryMs.first, undefined, { ref: false });
    if (!this.#stopped) work();
  }

  /** Works until it succeeds, or is not needed any more; what it returns goes into the run's log. */
  async #untilDone(run: LiveRun, isOpen: () => boolean, work: () => Promise<NewEvent | undefined>): Promise<void> {
    let delay: number = retryMs.first;
    run.sending++;
    while (!this.#stopped && run.phase !== 'gone' && isOpen()) {
      try {
        const input = await work();
        if (input !== undefined && isOpen()) this.#options.inputs.add(run, input);
        break;
      } catch (error) {
        const level = isContention(error) ? 'debug' : 'warn';
        this.#options.logger[level](
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
