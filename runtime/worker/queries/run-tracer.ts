// Replays runs with promise hooks, in a thread of their own, for stack traces and for the full text of a divergence.
// This is done on demand, so that only those who ask pay for it: see ARCHITECTURE.md, "Stack traces are computed on
// demand".
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { TaskFailure } from '../../core/log/activation.ts';
import { assert } from '../../core/failure/runtime-error.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { Database } from '../../store/sql/database.ts';
import { readHistory } from '../../store/log/history.ts';
import type { Trace, TraceRequest, TraceThreadData } from './trace-thread.ts';

/** The thread stays for this long after its last use, because many runs may diverge from their logs together. */
const idleMs = 10_000;
/** An activation may take this many times as long when it is traced. */
const watchedSlowness = 5;

/** Limit of explanations under way, because a bad deploy would queue thousands. */
const explanationsMax = 20;

const threadFile = new URL(`trace-thread${extname(import.meta.url)}`, import.meta.url);

class RunTracer {
  readonly #data: TraceThreadData;
  #thread: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  readonly #queue = new SerialQueue();
  #explaining = 0;

  constructor({ bundle, deadlockTimeoutMs, activityTypes, failureErrorTypes }: Sandbox) {
    assert(bundle !== undefined, 'runs cannot be replayed without code');
    const slower = deadlockTimeoutMs * watchedSlowness;
    this.#data = { bundle, deadlockTimeoutMs: slower, activityTypes, failureErrorTypes };
  }

  /** Traces one run at a time. */
  trace(database: Database, runId: string): Promise<Trace | undefined> {
    return this.#queue.run(() => this.#trace(database, runId));
  }

  /** Returns the failure with its full text, or unchanged if it cannot be explained. */
  async explain(database: Database, runId: string, failure: TaskFailure): Promise<TaskFailure> {
    if (this.#explaining >= explanationsMax) return failure;
    this.#explaining++;
    try {
      const trace = await this.trace(database, runId);
      return trace?.failure?.code === failure.code ? { ...failure, ...trace.failure } : failure;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { ...failure, message: `${failure.message}\n(It could not be looked at once more: ${why})` };
    } finally {
      this.#explaining--;
    }
  }

  async #trace(database: Database, runId: string): Promise<Trace | undefined> {
    clearTimeout(this.#idle);
    const thread = this.#started();
    const answered = answerOf(thread);
    answered.catch(() => undefined); // no unhandled rejection; awaiting it still throws
    try {
      const post = (request: TraceRequest): void => thread.postMessage(request);
      let isSent = false;
      let hasBegun = false;
      for await (const events of readHistory(database, runId)) {
        if (!isSent) post({ type: 'begin', runId: events[0]!.runId });
        isSent = true;
        hasBegun ||= events.some(({ hash }) => hash !== null);
        post({ type: 'events', events });
      }
      if (!isSent) post({ type: 'begin', runId });
      post({ type: 'end' });
      const trace = await answered;
      return hasBegun ? trace : undefined;
    } catch (error) {
      // The thread may be in the middle of a run, so end it.
      this.#end();
      throw error;
    } finally {
      this.#idle = setTimeout(() => this.#end(), idleMs).unref();
    }
  }

  #started(): Worker {
    if (this.#thread !== undefined) return this.#thread;
    const thread = new Worker(threadFile, { workerData: this.#data, execArgv: [], name: 'reprise trace' });
    thread.unref();
    // Also handles errors of the thread while nobody waits for an answer.
    thread
      .on('error', () => undefined)
      .on('exit', () => {
        if (this.#thread === thread) this.#thread = undefined;
      });
    this.#thread = thread;
    return thread;
  }

  #end(): void {
    void this.#thread?.terminate();
    this.#thread = undefined;
  }
}

function answerOf(thread: Worker): Promise<Trace> {
  const { promise, resolve, reject } = Promise.withResolvers<Trace>();
  const ended = (code: number): void => reject(new Error(`the thread that replays runs ended with code ${code}`));
  thread.once('message', resolve).once('error', reject).once('exit', ended);
  return promise.finally(() => thread.off('message', resolve).off('error', reject).off('exit', ended));
}

/** One tracer for all incarnations that use a sandbox; it is garbage-collected with the sandbox. */
const tracers = new WeakMap<Sandbox, RunTracer>();

function tracerOf(sandbox: Sandbox): RunTracer {
  let tracer = tracers.get(sandbox);
  if (tracer === undefined) {
    tracer = new RunTracer(sandbox);
    tracers.set(sandbox, tracer);
  }
  return tracer;
}

/** What the run waits for at the end of its log; undefined when its first turn is not in the log yet. */
export function traceRun(database: Database, sandbox: Sandbox, runId: string): Promise<Trace | undefined> {
  return tracerOf(sandbox).trace(database, runId);
}

/**
 * The failure with its full text if the code diverged from its log. Any other failure, or undefined, is returned
 * unchanged.
 */
export async function explained(
  database: Database,
  sandbox: Sandbox,
  runId: string,
  failure: TaskFailure | undefined,
): Promise<TaskFailure | undefined> {
  if (failure?.code !== 'DETERMINISM') return failure;
  return tracerOf(sandbox).explain(database, runId, failure);
}
