// Replays runs in a thread of its own, so that the caller's thread stays free and reads the next pages meanwhile.
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { HistoryPages, HistoryRange } from '../../core/log/history-source.ts';
import type { WorkflowBundle } from '../../sandbox/bundle/bundle.ts';
import type { MockedReplay, MockToolsOptions } from '../mock/mock-tools.ts';
import { type FromReplay, pagesAhead, type ReplayThreadData, type SentPage, type ToReplay } from './replay-messages.ts';

const threadFile = new URL(`replay-thread${extname(import.meta.url)}`, import.meta.url);

/** An activation may take this long before it is interrupted: a replay has no caller that waits for a turn. */
const deadlockTimeoutMs = 10_000;

/** One pass over a log: which of its pages may be sent. */
class Pass {
  readonly read: number;
  #free = pagesAhead;
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(read: number) {
    this.read = read;
  }

  /** Resolves to false when no more pages are wanted. */
  async hasRoom(): Promise<boolean> {
    while (this.#free === 0 && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#free -= 1;
    return !this.#isOver;
  }

  taken(): void {
    this.#free += 1;
    this.#wake?.();
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}

export class Replayer {
  readonly #thread: Worker;
  #pass: Pass | undefined;

  constructor(bundle: WorkflowBundle) {
    const data: ReplayThreadData = { bundle, deadlockTimeoutMs };
    this.#thread = new Worker(threadFile, { workerData: data, execArgv: [], name: 'reprise replay' });
    // Also handles errors of the thread while nobody waits for an answer.
    this.#thread.on('error', () => undefined);
  }

  /** One run at a time. Rejects with what the source's pages reject with. */
  async replay(source: HistoryPages, options: MockToolsOptions): Promise<MockedReplay> {
    const { promise, resolve, reject } = Promise.withResolvers<MockedReplay>();
    const onMessage = (message: FromReplay): void => {
      switch (message.type) {
        case 'read':
          this.#pass = new Pass(message.read);
          this.#feed(source, message.range, this.#pass).catch(reject);
          return;
        case 'taken':
          if (this.#pass?.read === message.read) this.#pass.taken();
          return;
        case 'enough':
          if (this.#pass?.read === message.read) this.#pass.end();
          return;
        case 'replayed':
          return resolve(message.replayed);
        case 'failed':
          return reject(new RuntimeError(message.code ?? 'ASSERTION_FAILED', message.message, { runId: source.runId }));
      }
    };
    const ended = (code: number): void => reject(new Error(`the thread that replays runs ended with code ${code}`));
    this.#thread.on('message', onMessage).once('error', reject).once('exit', ended);
    const { runId, workflowId, workflowType, status, head, line, bundleHash } = source;
    this.#send({ type: 'replay', run: { runId, workflowId, workflowType, status, head, line, bundleHash }, options });
    try {
      return await promise;
    } finally {
      this.#pass?.end();
      this.#thread.off('message', onMessage).off('error', reject).off('exit', ended);
    }
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  async #feed(source: HistoryPages, range: HistoryRange, pass: Pass): Promise<void> {
    for await (const page of source.packedPages?.(range) ?? source.pages(range)) {
      if (!(await pass.hasRoom())) return;
      this.#sendPage(pass, page);
    }
    if (await pass.hasRoom()) this.#sendPage(pass, undefined);
  }

  #sendPage({ read }: Pass, page: SentPage | undefined): void {
    this.#send({ type: 'page', read, page }, page instanceof Uint8Array ? [page.buffer] : []);
  }

  #send(message: ToReplay, transferred: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transferred);
  }
}
