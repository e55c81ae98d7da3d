// Records runs in memory: drives workflow code without a database, answers its calls one in a turn, and keeps the log.
import type { ExternalMeta, TimerMeta } from '../../runtime/core/log/activation.ts';
import type { HistoryEvent, Micros, NewEvent } from '../../runtime/core/log/event.ts';
import { isClosed, type RunStatus, statusAfter } from '../../runtime/core/log/transition.ts';
import { engineNumber } from '../../runtime/core/log/engine-number.ts';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { encodeFailure } from '../../runtime/core/failure/failure-info.ts';
import { ApplicationFailure } from '../../runtime/core/failure/failure.ts';
import { decodePayload, encodePayload } from '../../runtime/core/payload/payload.ts';
import type { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { ListedHistory } from './run-files.ts';

const startAt: Micros = 1_800_000_000_000_000;
const runId = '01890000-0000-7000-8000-000000000001';
const seed = '0123456789abcdef0123456789abcdef';

export interface Recording {
  readonly workflow?: string;
  readonly args?: readonly unknown[];
  /** Result of an activity; an Error fails it. Undefined as a whole: the activity is never answered. */
  readonly answer?: (name: string, args: unknown[]) => { readonly value: unknown } | undefined;
  /** Signals, by the number of the turn that receives them, from 1. */
  readonly signals?: Readonly<Record<number, { readonly name: string; readonly args: readonly unknown[] }>>;
  /** Default: until the run closes or waits for something that nobody answers. */
  readonly turnsMax?: number;
}

/** The answer to a call that code has issued; undefined when it gets none. */
function answerOf(event: NewEvent, seq: number, at: Micros, answer: Recording['answer']): NewEvent | undefined {
  const answers = event.seq;
  switch (event.type) {
    case 'ActivityScheduled': {
      const given =
        answer === undefined ? { value: null } : answer(event.name ?? '', decodePayload(event.payload!) as unknown[]);
      if (given === undefined) return undefined;
      if (given.value instanceof Error)
        return newEvent(seq, 'ActivityFailed', { answers, payload: encodeFailure(given.value) });
      return newEvent(seq, 'ActivityCompleted', { answers, payload: encodePayload(given.value) });
    }
    case 'TimerStarted':
      return (JSON.parse(event.meta ?? '{}') as TimerMeta).due <= at
        ? newEvent(seq, 'TimerFired', { answers })
        : undefined;
    case 'ChildWorkflowInitiated':
      return newEvent(seq, 'ChildWorkflowCompleted', {
        answers,
        correlationId: 'child-run',
        payload: encodePayload('child'),
      });
    case 'ExternalSignalInitiated':
      return newEvent(seq, 'ExternalSignalDelivered', {
        answers,
        correlationId: (JSON.parse(event.meta ?? '{}') as ExternalMeta).runId ?? 'other',
      });
    case 'ActivityCancelRequested':
      return newEvent(seq, 'ActivityCancelled', {
        answers: event.answers!,
        payload: encodeFailure(ApplicationFailure.nonRetryable('cancelled')),
      });
    default:
      return undefined;
  }
}

/** Runs the code of a sandbox. One call is answered in a turn, in the order of the calls. */
export function recordRun(sandbox: Sandbox, recording: Recording = {}): ListedHistory {
  const { workflow = 'order', args = [], answer, signals = {}, turnsMax = 200 } = recording;
  const run = sandbox.createRun(runId);
  const meta = JSON.stringify({ seed, workflowId: 'w', namespace: 'default', taskQueue: 'test', engine: engineNumber });
  const log: HistoryEvent[] = [];
  const calls: NewEvent[] = [];
  let inputs: NewEvent[] = [newEvent(1, 'WorkflowStarted', { name: workflow, payload: encodePayload(args), meta })];
  for (let turn = 1; inputs.length > 0 && turn <= turnsMax; turn++) {
    const at = startAt + turn * 1_000_000;
    const seen = inputs.map((input): HistoryEvent => ({ ...input, at, hash: null }));
    const result = run.activate({ at, inputs: seen, nextSeq: log.length + seen.length + 1 });
    if (!result.ok) throw new Error(result.failure.message);
    const outputs: readonly NewEvent[] =
      result.outputs.length > 0 ? result.outputs : [newEvent(log.length + seen.length + 1, 'WorkflowTaskCompleted')];
    const events = [...seen, ...outputs.map((output): HistoryEvent => ({ ...output, at, hash: null }))];
    log.push(...events.slice(0, -1), { ...events.at(-1)!, hash: new Uint8Array(32) });
    calls.push(...outputs);
    if (outputs.some(({ type }) => isClosed(statusAfter('running', type) as RunStatus))) break;
    inputs = nextInputs(calls, log.length + 1, at + 1_000_000, answer);
    const signal = signals[turn + 1];
    if (signal !== undefined) {
      inputs.unshift(
        newEvent(log.length + 1, 'SignalReceived', { name: signal.name, payload: encodePayload(signal.args) }),
      );
      inputs = inputs.map((input, i) => ({ ...input, seq: log.length + 1 + i }));
    }
  }
  run.dispose();
  return new ListedHistory(runId, log, sandbox.bundle?.hash);
}

function nextInputs(calls: NewEvent[], seq: number, at: Micros, answer: Recording['answer']): NewEvent[] {
  for (const [i, call] of calls.entries()) {
    const input = answerOf(call, seq, at, answer);
    if (input === undefined) continue;
    calls.splice(i, 1);
    return [input];
  }
  return [];
}
