// The thread that replays runs with workflow code, one run at a time. It asks for the pages of a run's log, and answers
// with the outcome.
import { parentPort, workerData } from 'node:worker_threads';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { HistoryPages, HistoryRange } from '../../core/log/history-source.ts';
import { Sandbox } from '../../sandbox/realm/sandbox.ts';
import { mockTools } from '../mock/mock-tools.ts';
import { unpackEvents } from '../../store/log/packed-history.ts';
import type { FromReplay, ReplayThreadData, RunFacts, SentPage, ToReplay } from './replay-messages.ts';

const port = parentPort!;
const { bundle, deadlockTimeoutMs } = workerData as ReplayThreadData;
const sandbox = Sandbox.create(bundle, { deadlockTimeoutMs });

/** Pages of the pass under way, and who waits for the next. */
const arrived: (SentPage | undefined)[] = [];
let waiting: (() => void) | undefined;
let reads = 0;

function send(message: FromReplay): void {
  port.postMessage(message);
}

async function* pages(range: HistoryRange = {}): AsyncGenerator<readonly HistoryEvent[], void, undefined> {
  const read = ++reads;
  arrived.length = 0;
  send({ type: 'read', read, range });
  try {
    for (;;) {
      while (arrived.length === 0) await new Promise<void>((resolve) => (waiting = resolve));
      const page = arrived.shift();
      if (page === undefined) return;
      send({ type: 'taken', read });
      yield page instanceof Uint8Array ? unpackEvents(page) : page;
    }
  } finally {
    send({ type: 'enough', read });
  }
}

async function replay(run: RunFacts, message: ToReplay & { type: 'replay' }): Promise<void> {
  const source: HistoryPages = { ...run, pages };
  try {
    send({ type: 'replayed', replayed: await mockTools(source, sandbox, message.options) });
  } catch (error) {
    const code = error instanceof RuntimeError ? error.code : undefined;
    send({ type: 'failed', code, message: thrownMessage(error) });
  }
}

port.on('message', (message: ToReplay) => {
  if (message.type === 'replay') {
    void replay(message.run, message);
    return;
  }
  // A page of an earlier pass that was still under way.
  if (message.read !== reads) return;
  arrived.push(message.page);
  waiting?.();
  waiting = undefined;
});
