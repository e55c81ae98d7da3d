// The thread that replays runs for traces, separate from the worker's own, because promise hooks slow down an isolate
// for good. It handles one run at a time: it receives `begin`, the whole log in pages, and `end`, and answers with a
// Trace.
import { parentPort, workerData } from 'node:worker_threads';
import type { TaskFailure } from '../../core/log/activation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { FailureErrorTypes } from '../../core/failure/failure-types.ts';
import type { WorkflowBundle } from '../../sandbox/bundle/bundle.ts';
import { explainedFailure } from '../../sandbox/stacks/explained-failure.ts';
import { Sandbox } from '../../sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import type { WaitStack, WaitTracer } from '../../sandbox/stacks/wait-tracer.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import { RunReplay } from '../../replay/run-replay.ts';

export interface TraceThreadData {
  readonly bundle: WorkflowBundle;
  readonly deadlockTimeoutMs: number;
  readonly activityTypes: readonly string[] | undefined;
  readonly failureErrorTypes: FailureErrorTypes | undefined;
}

export type TraceRequest =
  | { readonly type: 'begin'; readonly runId: string }
  | { readonly type: 'events'; readonly events: readonly HistoryEvent[] }
  | { readonly type: 'end' };

export interface Trace {
  /** Why the code could not follow the log, with the full text. */
  readonly failure: TaskFailure | undefined;
  /** What the run waits for at the end of the log, or where the code diverged. */
  readonly waits: readonly WaitStack[];
}

interface Traced {
  readonly run: ActiveRun;
  readonly replay: RunReplay;
  readonly tracer: WaitTracer;
}

const port = parentPort!;
const { bundle, ...options } = workerData as TraceThreadData;
const sandbox = Sandbox.create(bundle, options);
let traced: Traced | undefined;

function begin(runId: string): Traced {
  const run = sandbox.createRun(runId);
  return { run, replay: new RunReplay(run, { explains: true }), tracer: sandbox.traceWaits() };
}

async function end({ run, replay, tracer }: Traced): Promise<Trace> {
  tracer.stop();
  const waits = tracer.waits();
  await rejectionsKnown();
  const failure = replay.failure ?? run.rejection;
  run.dispose();
  return { failure: failure && explainedFailure(failure, { previous: replay.previous, waits }), waits };
}

port.on('message', (request: TraceRequest) => {
  switch (request.type) {
    case 'begin':
      traced = begin(request.runId);
      return;
    case 'events':
      traced?.replay.take(request.events);
      return;
    default:
      if (traced !== undefined) void end(traced).then((trace) => port.postMessage(trace));
      traced = undefined;
  }
});
