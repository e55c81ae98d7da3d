// Finds where workflow code waits: the pending promises, with the stacks that created them. Used only in a separate
// thread that replays a run on request (see worker/queries/trace-thread.ts): a promise hook slows down every promise of
// an isolate, and the isolate stays slower after the hook is removed.
import { promiseHooks } from 'node:v8';
import type { SourcePositions } from './source-positions.ts';
import { frameText, parseFrames, type StackFrame, type UserFrame, userFrame } from './user-frames.ts';

/** One wait of a run, with its stack. */
export interface WaitStack {
  /** The function of `reprise/workflow` that created the promise: `sleep`, `condition`, `activity` … */
  readonly call: string | undefined;
  /** The user's frames, innermost first; at least one. */
  readonly frames: readonly UserFrame[];
}

interface Pending {
  readonly parent: Promise<unknown> | undefined;
  /** The stack becomes text only when read. */
  readonly trace: { readonly stack?: string };
}

/** What created a promise, according to its stack. */
interface Maker {
  readonly parent: Promise<unknown> | undefined;
  readonly stack: WaitStack;
  /**
   * `call`: an engine function that workflow code called. `wait`: an await, a then, a `new Promise` or a race in user
   * code. `inner`: engine code that follows another promise. `element`: the promise that Promise.all or a similar
   * function attaches to an element. `task`: the promise of an async function, which is pending because of an await
   * inside it.
   */
  readonly kind: 'call' | 'wait' | 'inner' | 'element' | 'task';
}

const framesMax = 50;
const aggregate = /^(?:Promise|Function)\.(?:all|allSettled|any|race)$/;

export class WaitTracer {
  readonly #positions: SourcePositions;
  readonly #pending = new Map<Promise<unknown>, Pending>();
  readonly #stop: () => void;

  /** Records from now on. An isolate may have one tracer at a time. */
  constructor(positions: SourcePositions) {
    this.#positions = positions;
    const pending = this.#pending;
    function init(promise: Promise<unknown>, parent: Promise<unknown>): void {
      const trace: { stack?: string } = {};
      const before = Error.stackTraceLimit;
      Error.stackTraceLimit = framesMax;
      Error.captureStackTrace(trace, init);
      Error.stackTraceLimit = before;
      pending.set(promise, { parent, trace });
    }
    this.#stop = promiseHooks.createHook({
      init,
      settled: (promise: Promise<unknown>) => pending.delete(promise),
    }) as () => void;
  }

  stop(): void {
    this.#stop();
  }

  /** The pending waits in the order of their calls, each stack once. */
  waits(): WaitStack[] {
    const makers = new Map<Promise<unknown>, Maker>();
    for (const [promise, { parent, trace }] of this.#pending) {
      const maker = this.#maker(parent, trace.stack ?? '');
      if (maker !== undefined) makers.set(promise, maker);
    }
    const followed = followedAmong(makers);
    const waits = new Map<string, WaitStack>();
    const callers = new Map<string, WaitStack>();
    for (const [promise, { kind, stack, parent }] of makers) {
      if ((kind !== 'call' && kind !== 'wait') || followed.has(promise)) continue;
      const waited = parent === undefined ? undefined : makers.get(parent);
      const call = stack.call ?? (waited?.kind === 'call' ? waited.stack.call : undefined);
      const wait = { call, frames: stack.frames };
      const text = waitText(wait);
      if (!waits.has(text)) waits.set(text, wait);
      if (waited?.kind === 'task') callers.set(text, wait);
    }
    // A caller that awaits an async function is already among the frames of what that function awaits, if the caller
    // was awaiting at that time.
    const outer = new Set([...waits.values()].flatMap(({ frames }) => frames.slice(1).map(lineOf)));
    for (const [text, { frames }] of callers) if (outer.has(lineOf(frames[0]!))) waits.delete(text);
    return [...waits.values()];
  }

  /** Undefined when no user code was involved. */
  #maker(parent: Promise<unknown> | undefined, stack: string): Maker | undefined {
    // Drops frames of the host: other hooks above, and the caller of the sandbox below.
    const raw = parseFrames(stack).filter(({ file }) => file === undefined || !/^(?:node|file):/.test(file));
    const sources = raw.map((frame) => userFrame(frame, this.#positions));
    const firstOwn = sources.findIndex((frame) => frame !== undefined);
    if (firstOwn < 0) return undefined;
    const frames = sources.filter((frame) => frame !== undefined);
    const above = raw.slice(0, firstOwn).filter(({ file }) => file !== undefined);
    // The bundler renames a class that mentions itself.
    const call = above.at(-1)?.functionName?.replace(/^_(?=[A-Z])/, '');
    return { parent, stack: { call, frames }, kind: this.#kind(raw, above, parent !== undefined) };
  }

  /** `above`: frames of the engine above the user's. */
  #kind(raw: readonly StackFrame[], above: readonly StackFrame[], follows: boolean): Maker['kind'] {
    if (above.length > 0) return follows ? 'inner' : 'call';
    if (follows && aggregate.test(raw[1]?.functionName ?? '')) return 'element';
    return follows || raw[0]?.file === undefined ? 'wait' : 'task';
  }
}

/** Promises that another promise follows. The user's code holds the following promise. */
function followedAmong(makers: ReadonlyMap<Promise<unknown>, Maker>): Set<Promise<unknown>> {
  const followed = new Set<Promise<unknown>>();
  for (const { kind, parent, stack } of makers.values()) {
    if (parent === undefined || kind === 'element') continue;
    // Both promises belong to one call of an engine function. A promise that the user passed to the call is a wait of
    // the user.
    const isPart = kind !== 'inner' || placeOf(makers.get(parent)?.stack) === placeOf(stack);
    if (isPart) followed.add(parent);
  }
  return followed;
}

function placeOf(stack: WaitStack | undefined): string {
  const frame = stack?.frames[0];
  return frame === undefined ? '' : `${lineOf(frame)}:${frame.column}`;
}

function lineOf({ file, line }: UserFrame): string {
  return `${file}:${line}`;
}

/** Frames as Temporal's stack trace query shows them. */
export function waitText({ call, frames }: WaitStack): string {
  const lines = frames.map((frame) => `    at ${frame.isAsync ? 'async ' : ''}${frameText(frame)}`);
  return (call === undefined ? lines : [`    at ${call} (reprise/workflow)`, ...lines]).join('\n');
}
