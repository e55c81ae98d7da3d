// Attributes unhandled promise rejections of workflow code to the run that caused them (behavior 60: they fail its task).
// Node learns of them only when the macrotask that activated the run has ended and its microtasks have drained, and no
// public interface tells earlier. So an activation's result holds once `rejectionsKnown()` has passed, which is one
// turn of the event loop for any number of activations; nothing is waited for inside an activation.
// Node reports by `process.emit`. It is wrapped, not listened to, while a sandbox lives: a listener would silence Node's
// default for rejections of the host, and would not keep ours from listeners of the host, which often end the process.
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
