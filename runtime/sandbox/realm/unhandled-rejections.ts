// Attributes unhandled promise rejections of workflow code to the run that caused them: they fail its task (behavior 60).
// Node tells of them by `process.emit`, only after the macrotask that activated the run; nothing public is earlier. So a
// result holds once `rejectionsKnown()` has passed: one turn of the event loop for any number of activations, which a
// worker that flushes in batches waits for anyway. `emit` is wrapped, not listened to, while a sandbox lives: a listener
// would switch off Node's default for the host's rejections, and not keep ours from the host's own listeners, which
// often end the process.
import { AsyncLocalStorage } from 'node:async_hooks';

/** Who answers for the promises that workflow code makes. */
export interface RejectionSink {
  rejected(reason: unknown): void;
}

const sinks = new AsyncLocalStorage<RejectionSink>();

/** Rejections of promises that `work` makes, now or in what it leaves to be done, go to `sink` and nowhere else. */
export function withRejectionSink<T>(sink: RejectionSink, work: () => T): T {
  return sinks.run(sink, work);
}

type Emit = (this: NodeJS.Process, event: string | symbol, ...args: unknown[]) => boolean;

let userCount = 0;
let emitBefore: Emit | undefined;

const emit: Emit = function (event, ...args) {
  const sink = event === 'unhandledRejection' ? sinks.getStore() : undefined;
  if (sink === undefined) return Reflect.apply(emitBefore!, this, [event, ...args]);
  sink.rejected(args[0]);
  return true;
};

/** To be called once for each sandbox, and `unwatchRejections` when it is disposed. */
export function watchRejections(): void {
  userCount += 1;
  if (emitBefore !== undefined) return;
  emitBefore = process.emit as Emit;
  process.emit = emit as typeof process.emit;
}

export function unwatchRejections(): void {
  userCount -= 1;
  // Somebody else may have wrapped it since: then ours stays in between and passes everything on.
  if (userCount > 0 || process.emit !== emit) return;
  process.emit = emitBefore as typeof process.emit;
  emitBefore = undefined;
}

let known: Promise<void> | undefined;

/** Settles when Node has reported the rejections of all activations up to now. */
export function rejectionsKnown(): Promise<void> {
  known ??= new Promise((resolve) => {
    setImmediate(() => {
      known = undefined;
      resolve();
    });
  });
  return known;
}
