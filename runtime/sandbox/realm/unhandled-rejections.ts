// Attributes unhandled promise rejections of workflow code to the run that caused them, and fails its task (behavior 60
// in docs/behaviors.md). Node reports them by `process.emit`, after the macrotask that activated the run, and has no
// earlier public hook. So a result is final only after `rejectionsKnown()`. That is one turn of the event loop for any
// number of activations. While a sandbox lives, `emit` is wrapped. A listener is not enough: it would disable Node's
// default for the host's rejections, and the host's own listeners, which often end the process, would still receive
// rejections of workflow code.
import { AsyncLocalStorage } from 'node:async_hooks';

/** Receives the rejections of promises that workflow code creates. */
export interface RejectionSink {
  rejected(reason: unknown): void;
}

const sinks = new AsyncLocalStorage<RejectionSink>();

/** Rejections of promises that `work` creates, now or in work it leaves behind, go only to `sink`. */
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

/** Call once for each sandbox, and `unwatchRejections` when it is disposed. */
export function watchRejections(): void {
  userCount += 1;
  if (emitBefore !== undefined) return;
  emitBefore = process.emit as Emit;
  process.emit = emit as typeof process.emit;
}

export function unwatchRejections(): void {
  userCount -= 1;
  // If other code has wrapped `emit` since, our wrapper stays in place and passes everything on.
  if (userCount > 0 || process.emit !== emit) return;
  process.emit = emitBefore as typeof process.emit;
  emitBefore = undefined;
}

let known: Promise<void> | undefined;

/** Resolves when Node has reported the rejections of all activations so far. */
export function rejectionsKnown(): Promise<void> {
  known ??= new Promise((resolve) => {
    setImmediate(() => {
      known = undefined;
      resolve();
    });
  });
  return known;
}
