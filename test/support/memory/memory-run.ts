// A run in memory: the worker's own turn builder and the real sandbox, without a database. Keeps the whole history and,
// for every turn, the context document that the code held. A committed turn is handled as the worker's loop does.
import type { TaskFailure } from '../../../runtime/core/log/activation.ts';
import { engineNumber } from '../../../runtime/core/log/engine-number.ts';
import type { HistoryEvent, Micros, NewEvent } from '../../../runtime/core/log/event.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { visibleInputs } from '../../../runtime/core/log/visible.ts';
import type { Json } from '../../../runtime/core/json/json.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';
import { isPausedAfter } from '../../../runtime/core/recovery/verb-inputs.ts';
import type { Input } from '../../../runtime/core/run/input.ts';
import type { RunState } from '../../../runtime/core/run/run-state.ts';
import type { StartedMeta } from '../../../runtime/core/run/start-meta.ts';
import { isClosed } from '../../../runtime/core/log/transition.ts';
import { RunReplay } from '../../../runtime/replay/run-replay.ts';
import type { Sandbox } from '../../../runtime/sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../../../runtime/sandbox/realm/unhandled-rejections.ts';
import type { ContinuedRun } from '../../../runtime/store/runs/continue-run.ts';
import { runIdFromBytes } from '../../../runtime/store/runs/run-id.ts';
import { LiveRun } from '../../../runtime/worker/turns/live-run.ts';
import { type BuiltTurn, buildTurn, checkTurn } from '../../../runtime/worker/turns/turn-builder.ts';
import { foldOps } from '../fold-ops.ts';
import type { Program } from '../fixtures/generated.ts';
import { ListedHistory } from '../run-files.ts';

const startAt: Micros = 1_800_000_000_000_000;
const turnGap: Micros = 1_000;

export interface SeenTurn {
  /** The context document at the end of the turn; undefined without one. */
  readonly document: Json | undefined;
  /** Each document that the code looked at in the turn. */
  readonly looks: readonly Json[];
}

export class MemoryRun {
  readonly sandbox: Sandbox;
  readonly live: LiveRun;
  /** The whole history, along the line. */
  readonly events: HistoryEvent[];
  /** What the code saw, by the last seq of each turn that activated it. */
  readonly seen: Map<number, SeenTurn> = new Map();
  /** The run that follows after continue-as-new. */
  continues: ContinuedRun | undefined;
  now: Micros;
  #looks = 0;

  /** `events`: the history so far, at least the start. */
  constructor(sandbox: Sandbox, runId: string, events: readonly HistoryEvent[]) {
    this.sandbox = sandbox;
    this.events = [...events];
    this.now = events.at(-1)!.at;
    this.live = new LiveRun(runId, 0, null);
    for (const event of events) this.live.record(event);
    this.live.unhashedEvents = this.#rebuild();
  }

  /** A run of the program as a client starts it. `number` decides its identity. */
  static start(sandbox: Sandbox, program: Program, number = 1): MemoryRun {
    const meta: StartedMeta = {
      ...{ workflowId: 'w', namespace: 'default', taskQueue: 'test' },
      ...{ seed: seedOf(number), engine: engineNumber },
    };
    return new MemoryRun(sandbox, runIdOf(number), [started([program], meta, startAt)]);
  }

  /** The run that continues this one; undefined when none does. */
  successor(number: number): MemoryRun | undefined {
    if (this.continues === undefined) return undefined;
    const { args, meta: changes, context } = this.continues;
    const given = JSON.parse(this.events[0]!.meta ?? '{}') as StartedMeta;
    const meta = { ...given, ...changes, seed: seedOf(number), continuedFrom: this.live.runId };
    const at = this.now + turnGap;
    const start = started(decodePayload(args!) as unknown[], meta, at);
    const carried =
      context === null
        ? []
        : [newEvent(2, 'ContextPatched', { answers: 1, source: 'system', sourceId: 'generated', ...context })];
    return new MemoryRun(this.sandbox, runIdOf(number), [start, ...carried.map((event) => logged(event, at))]);
  }

  get state(): RunState {
    return this.live.state;
  }

  get isClosed(): boolean {
    return isClosed(this.state.status!);
  }

  history(): ListedHistory {
    return new ListedHistory(this.live.runId, this.events, this.sandbox.bundle?.hash, this.state.line);
  }

  /** The next turn. Returns undefined when nothing happened. */
  async turn(inputs: readonly Input[], instead?: TaskFailure | 'defer'): Promise<BuiltTurn | undefined> {
    const { live } = this;
    this.now += turnGap;
    live.queue.push(...inputs);
    if (instead === 'defer') live.dropSandbox();
    else if (live.sandbox === undefined && !isPausedAfter(live.state, live.queue)) this.#rebuild();
    const taken = live.takeQueue();
    let built = buildTurn(live, taken, this.now, instead);
    if (built.activated) await rejectionsKnown();
    built = checkTurn(live, taken, built, this.now, Number.POSITIVE_INFINITY);
    live.unseenInputs.push(...built.unseenInputs);
    if (built.activated && built.failure !== undefined) {
      throw new Error(`The generated program failed its task: ${built.failure.message}\n${built.failure.stack}`);
    }
    if (built.events.length === 0) return undefined;
    this.#commit(built);
    return built;
  }

  /** The worker drops the code; the next turn rebuilds it from the log. */
  drop(): void {
    this.live.dropSandbox();
  }

  dispose(): void {
    this.live.dropSandbox();
  }

  #commit(built: BuiltTurn): void {
    const { live } = this;
    for (const event of built.events) live.record(event);
    this.events.push(...built.events);
    this.now = this.state.at;
    this.continues = built.continues;
    if (built.activated) this.#look();
    if (built.failure !== undefined || built.isDeferred) {
      live.inputsToReplay.push(...visibleInputs(built.events));
      if (built.failure !== undefined) live.dropSandbox();
    } else if (built.activated) live.inputsToReplay = [];
  }

  #look(): void {
    const ops = this.live.sandbox!.contextOps();
    const document = ops === null ? undefined : foldOps(null, JSON.parse(ops) as Op[]);
    const texts = this.#texts().slice(this.#looks);
    this.#looks += texts.length;
    this.seen.set(this.state.seq, { document, looks: texts.map((text) => JSON.parse(text) as Json) });
  }

  /** Every document that the code has looked at. */
  #texts(): string[] {
    const answer = this.live.sandbox!.query('seen', encodePayload([0]));
    return answer.ok ? (decodePayload(answer.payload) as string[]) : [];
  }

  /** Returns the events that no hash covers yet. */
  #rebuild(): HistoryEvent[] {
    const { live } = this;
    live.dropSandbox();
    live.sandbox = this.sandbox.createRun(live.state.runIdAt(1));
    const replay = new RunReplay(live.sandbox);
    replay.take(withoutArguments(this.events));
    const unhashed = replay.finish();
    if (replay.failure !== undefined) throw new Error(`The log does not replay: ${replay.failure.message}`);
    live.inputsToReplay = replay.carried;
    this.#looks = this.#texts().length;
    return unhashed;
  }
}

/** A history as a replay reads it. */
export function withoutArguments(events: readonly HistoryEvent[]): HistoryEvent[] {
  return events.map((event) => (event.type === 'ActivityScheduled' ? { ...event, payload: null } : event));
}

function started(args: readonly unknown[], meta: StartedMeta, at: Micros): HistoryEvent {
  const columns = { name: 'generated', payload: encodePayload(args), meta: JSON.stringify(meta) };
  return logged(newEvent(1, 'WorkflowStarted', columns), at);
}

function logged(event: NewEvent, at: Micros): HistoryEvent {
  return { ...event, at, hash: null };
}

function runIdOf(number: number): string {
  const bytes = Buffer.from('0189000000007000800000000000000000'.slice(0, 32), 'hex');
  bytes.writeUInt32BE(number, 12);
  return runIdFromBytes(bytes);
}

function seedOf(number: number): string {
  return number.toString(16).padStart(32, '7');
}
