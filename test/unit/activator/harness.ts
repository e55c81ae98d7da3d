// Drives one workflow through the activator in this realm: feeds inputs turn by turn and reads outputs. At the end of
// every test it replays the recorded history through a fresh run, which must issue the same commands.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { createRun, install, type SandboxRun } from '../../../runtime/activator/entry.ts';
import type {
  ActivationResult,
  LogLine,
  QueryResult,
  TaskFailure,
  TimerMeta,
} from '../../../runtime/core/log/activation.ts';
import type { StartedMeta } from '../../../runtime/core/run/start-meta.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { engineNumber } from '../../../runtime/core/log/engine-number.ts';
import type { NewEvent, EventType, HistoryEvent, Micros } from '../../../runtime/core/log/event.ts';
import { decodeFailure, encodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';

/** The globals of workflow code. Here they exist beside the globals of the test's own realm. */
export const globals = { Math: Object.create(Math) as Math } as unknown as {
  Math: Math;
  Date: DateConstructor;
  console: Record<string, (...args: unknown[]) => void>;
  crypto: { randomUUID(): string };
  setTimeout(callback: (...args: never[]) => unknown, ms?: number, ...args: unknown[]): number;
  clearTimeout(id: number): void;
  WeakRef: new (value: object) => unknown;
  AbortController: typeof AbortController;
  AbortSignal: typeof AbortSignal;
};
const HostStorage = AsyncLocalStorage as unknown as Parameters<typeof install>[1]['AsyncLocalStorage'];
/** Local activities that the worker lacks. */
export const missingActivities: Set<string> = new Set();
install(globals, {
  AsyncLocalStorage: HostStorage,
  TextEncoder,
  TextDecoder,
  URL,
  URLSearchParams,
  isActivityRegistered: (type) => !missingActivities.has(type),
});

export type Exports = Record<string, unknown>;
/** An input before it has a seq. */
export type Input = Omit<NewEvent, 'seq'>;

interface RecordedTurn {
  readonly at: Micros;
  readonly inputs: readonly HistoryEvent[];
  readonly outputs: readonly HistoryEvent[];
}

export const runId = '01890000-0000-7000-8000-000000000001';
export const startedMeta: StartedMeta = {
  workflowId: 'order-1',
  taskQueue: 'orders',
  namespace: 'default',
  seed: '00112233445566778899aabbccddeeff',
  engine: engineNumber,
};
const startAt: Micros = 1_700_000_000_000_000;
const turnGap: Micros = 1_000_500;

function input(type: EventType, columns: Parameters<typeof newEvent>[2]): Input {
  return newEvent(0, type, columns);
}
export const signal = (name: string, ...args: unknown[]): Input =>
  input('SignalReceived', { name, payload: encodePayload(args) });
export const update = (id: string, name: string, ...args: unknown[]): Input =>
  input('UpdateAccepted', { name, correlationId: id, payload: encodePayload(args) });
export const fired = (answers: number): Input => input('TimerFired', { answers });
export const completed = (answers: number, value?: unknown): Input =>
  input('ActivityCompleted', { answers, payload: encodePayload(value) });
export const failed = (
  answers: number,
  error: unknown,
  meta: object = { retryState: 'MAXIMUM_ATTEMPTS_REACHED', identity: 'worker-1' },
  type: EventType = 'ActivityFailed',
): Input => input(type, { answers, payload: encodeFailure(error), meta: JSON.stringify(meta) });
export const cancelRequested = (): Input => input('WorkflowCancelRequested', { reason: 'enough' });
export const contextPatched = (answers: number, ops: unknown): Input =>
  input('ContextPatched', { answers, ops: JSON.stringify(ops), source: 'user', sourceId: 'ada', reason: 'fix' });
export { input };

/** Lets all microtasks run, as leaving the vm context does. */
async function drain(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

async function activate(
  run: SandboxRun,
  turn: Pick<RecordedTurn, 'at' | 'inputs'>,
  nextSeq: number,
  recorded?: readonly HistoryEvent[],
): Promise<ActivationResult> {
  const replay = recorded === undefined ? {} : { recorded, explains: true };
  run.begin({ at: turn.at, inputs: turn.inputs, nextSeq, ...replay });
  do await drain();
  while (run.unblock());
  return run.conclude();
}

export class Driver {
  readonly load: () => Exports;
  readonly #type: string;
  readonly run: SandboxRun;
  readonly turns: RecordedTurn[] = [];
  readonly logs: LogLine[] = [];
  /** Reasons for rejected updates. */
  readonly rejections: Error[] = [];
  #seq = 0;
  #at: Micros = startAt;

  constructor(load: () => Exports, type: string) {
    this.load = load;
    this.#type = type;
    this.run = createRun(runId, load);
  }

  /** First turn: the start, then `inputs`. */
  start(args: readonly unknown[] = [], ...inputs: Input[]): Promise<NewEvent[]> {
    return this.turn(this.started(args), ...inputs);
  }

  started(args: readonly unknown[] = []): Input {
    return input('WorkflowStarted', {
      name: this.#type,
      payload: encodePayload(args),
      meta: JSON.stringify(startedMeta),
    });
  }

  /** Runs a turn that must succeed. Returns its outputs. */
  async turn(...inputs: Input[]): Promise<NewEvent[]> {
    const result = await this.attempt(...inputs);
    assert.ok(result.ok, result.ok ? '' : `${result.failure.message}\n${result.failure.stack}`);
    return [...result.outputs];
  }

  /** Runs a turn that must fail. */
  async failingTurn(...inputs: Input[]): Promise<TaskFailure> {
    const result = await this.attempt(...inputs);
    assert.ok(!result.ok, 'the task did not fail');
    return result.failure;
  }

  /** Runs a turn that may fail. Only a successful one is recorded. */
  async attempt(...inputs: Input[]): Promise<ActivationResult> {
    this.#at += turnGap;
    const at = this.#at;
    const events = inputs.map((columns, index) => ({ ...columns, seq: this.#seq + index + 1, at, hash: null }));
    const nextSeq = this.#seq + events.length + 1;
    const result = await activate(this.run, { at, inputs: events }, nextSeq);
    this.logs.push(...result.logs);
    if (result.ok) {
      const rejected = new Map(result.rejected?.map(({ seq, failure }) => [seq, decodeFailure(failure)]));
      this.rejections.push(...rejected.values());
      const accepted = events.filter(({ seq }) => !rejected.has(seq));
      const recorded = accepted.map((event, index) => ({ ...event, seq: this.#seq + index + 1 }));
      const outputs = result.outputs.map((output) => ({ ...output, at, hash: null }));
      const firstOutput = nextSeq - rejected.size;
      assert.deepEqual(
        outputs.map((output) => output.seq),
        outputs.map((_, index) => firstOutput + index),
      );
      // A turn without events is not replayed.
      if (recorded.length + outputs.length > 0) this.turns.push({ at, inputs: recorded, outputs });
      this.#seq = firstOutput + outputs.length - 1;
    }
    return result;
  }

  /** A run of other code that has replayed the history so far and continues from there. */
  async continued(load: () => Exports): Promise<Driver> {
    const other = new Driver(load, this.#type);
    for (const turn of this.turns) {
      const nextSeq = (turn.inputs[0]?.seq ?? 0) + turn.inputs.length;
      const result = await activate(other.run, turn, nextSeq, turn.outputs);
      assert.ok(result.ok, result.ok ? '' : result.failure.message);
      other.turns.push(turn);
    }
    other.#seq = this.#seq;
    other.#at = this.#at;
    return other;
  }

  query(name: string, ...args: unknown[]): unknown {
    const result = this.queryResult(name, ...args);
    if (result.ok) return decodePayload(result.payload);
    throw decodeFailure(result.failure);
  }

  queryResult(name: string, ...args: unknown[]): QueryResult & { readonly logs: readonly LogLine[] } {
    return this.run.query(name, encodePayload(args));
  }

  /** Time of the last turn as workflow code sees it, ms. */
  get nowMs(): number {
    return Math.floor(this.#at / 1000);
  }

  /**
   * Replays the recorded history on the same or other code. Returns the result of the first turn that fails, else of
   * the last turn.
   */
  async replay(load: () => Exports = this.load): Promise<ActivationResult> {
    const run = createRun(runId, load);
    let result: ActivationResult = { ok: true, outputs: [], logs: [] };
    for (const turn of this.turns) {
      const nextSeq = (turn.inputs[0]?.seq ?? 0) + turn.inputs.length;
      result = await activate(run, turn, nextSeq, turn.outputs);
      if (!result.ok) break;
      if (load === this.load) assert.deepEqual(comparable(result.outputs), comparable(turn.outputs));
      assert.deepEqual(result.logs, []);
    }
    run.dispose();
    return result;
  }
}

/**
 * Outputs without the parts that replay does not compare: failures hold a stack, and recorded arguments are not encoded
 * again.
 */
function comparable(outputs: readonly NewEvent[]): unknown[] {
  return outputs.map(({ seq, type, name, answers, source, sourceId, reason, ops, payload, meta }) => {
    const kept = type === 'WorkflowFailed' || type === 'UpdateFailed' || type === 'ActivityScheduled' ? null : payload;
    return { seq, type, name, answers, source, sourceId, reason, ops, payload: kept, meta };
  });
}

/** Runs `script`, then checks that the recorded history replays. `load` is called again for every run. */
export function workflowTest(
  name: string,
  load: () => Exports,
  script: (driver: Driver) => Promise<void>,
  type = 'workflow',
): void {
  test(name, async () => {
    const driver = new Driver(load, type);
    await script(driver);
    const replayed = await driver.replay();
    assert.ok(replayed.ok, replayed.ok ? '' : replayed.failure.message);
    driver.run.dispose();
  });
}

/** Outputs as short texts: `TimerStarted 1000`, `ActivityScheduled charge#1`, `WorkflowCompleted 42`. */
export function texts(outputs: readonly NewEvent[], at?: number): string[] {
  return outputs.map((output) => {
    switch (output.type) {
      case 'ActivityScheduled':
        return `ActivityScheduled ${output.name}#${(JSON.parse(output.meta ?? '{}') as { id: string }).id}`;
      case 'TimerStarted': {
        const due = (JSON.parse(output.meta ?? '{}') as TimerMeta).due;
        return at === undefined ? 'TimerStarted' : `TimerStarted ${Math.round(due / 1000 - at)}`;
      }
      case 'TimerCancelled':
      case 'ActivityCancelRequested':
        return `${output.type} ${output.answers}`;
      case 'WorkflowCompleted':
        return `WorkflowCompleted ${JSON.stringify(resultOf(output))}`;
      case 'UpdateCompleted':
        return `UpdateCompleted ${output.answers} ${JSON.stringify(resultOf(output))}`;
      case 'UpdateFailed':
        return `UpdateFailed ${output.answers} ${failureOf(output).message}`;
      case 'WorkflowFailed':
        return `WorkflowFailed ${failureOf(output).message}`;
      case 'ContextPatched':
        return `ContextPatched ${output.ops}`;
      default:
        return output.type;
    }
  });
}

export function resultOf(output: NewEvent | undefined): unknown {
  assert.ok(output?.payload);
  return decodePayload(output.payload);
}

export function failureOf(output: NewEvent | undefined): Error {
  assert.ok(output?.payload);
  return decodeFailure(output.payload);
}
