// Finds the point of a fork in the log of a run: before a step, at a seq, at a checkpoint, or at the end. Reads only.
import { RuntimeError } from '../core/failure/runtime-error.ts';
import type { HistoryEvent } from '../core/log/event.ts';
import { type ActivityAddress, asActivityId, parseActivityAddress } from '../core/recovery/activity-address.ts';
import { readHistory } from '../store/log/history.ts';
import { listCheckpoints } from '../store/checkpoints/checkpoints.ts';
import type { Database } from '../store/sql/database.ts';

/** The events that decide where a run can be forked. */
export class ForkPoints {
  readonly runId: string;
  readonly #events: readonly HistoryEvent[];
  /** Ends of turns, and the end of what the start wrote, in order. The turn that closed the run is left out. */
  readonly #points: readonly number[];
  /** Names of checkpoints that people gave; the code's are events. */
  readonly #named: readonly { readonly seq: number; readonly name: string }[];

  private constructor(
    runId: string,
    events: readonly HistoryEvent[],
    named: readonly { readonly seq: number; readonly name: string }[],
    isClosed: boolean,
  ) {
    this.runId = runId;
    this.#events = events;
    this.#named = named;
    const [, second] = events;
    const inherits = second?.type === 'ContextPatched' && second.answers === 1 && second.hash === null;
    const ends = events.flatMap(({ seq, hash, type }) => (hash !== null && type !== 'PayloadErased' ? [seq] : []));
    this.#points = [inherits ? 2 : 1, ...(isClosed ? ends.slice(0, -1) : ends)];
  }

  static async of(database: Database, runId: string, isClosed: boolean): Promise<ForkPoints> {
    const events: HistoryEvent[] = [];
    for await (const page of readHistory(database, runId, { forReplay: true })) events.push(...page);
    const rows = await listCheckpoints(database, runId);
    const named = rows.flatMap(({ seq, name, pinned }) => (name !== undefined && pinned ? [{ seq, name }] : []));
    return new ForkPoints(runId, events, named, isClosed);
  }

  get log(): readonly HistoryEvent[] {
    return this.#events;
  }

  /** Right after the start. */
  get first(): number {
    return this.#points[0]!;
  }

  /** The end of the log, without the turn that closed the run. */
  get last(): number {
    return this.#points.at(-1)!;
  }

  /** The latest point at or before an event. @throws INVALID_INPUT */
  at(seq: number): number {
    const head = this.#events.at(-1)?.seq ?? 0;
    const point = this.#points.findLast((each) => each <= seq);
    if (seq <= head && point !== undefined) return point;
    throw this.#invalid(`there is no point at or before event ${seq}; the run has the events 1 to ${head}`);
  }

  /** The latest point before a step: a seq, an activity id, or `type#n`. @throws STEP_NOT_FOUND, INVALID_INPUT */
  before(address: number | string): number {
    const step = this.#find(parseActivityAddress(address));
    if (step === undefined) {
      const message = `Run ${this.runId} cannot be forked there: it has no step ${JSON.stringify(address)}. Pass a seq, an activity id, or type#n for the n-th call of a type; the history lists all calls.`;
      throw new RuntimeError('STEP_NOT_FOUND', message, { runId: this.runId });
    }
    return this.at(step.seq - 1);
  }

  /** The end of the turn that saved a checkpoint; the newest one when no name is given. @throws INVALID_INPUT */
  atCheckpoint(name: string | undefined): number {
    const fits = (given: string | null): boolean => name === undefined || given === name;
    const byCode = this.#events.findLast((event) => event.type === 'CheckpointSaved' && fits(event.name));
    const byPeople = this.#named.findLast((each) => fits(each.name));
    const saved = Math.max(byCode?.seq ?? 0, byPeople?.seq ?? 0);
    if (saved === 0) {
      throw this.#invalid(
        name === undefined ? 'it has no checkpoint' : `it has no checkpoint named ${JSON.stringify(name)}`,
      );
    }
    // The turn that closed the run may have saved it.
    return this.#points.find((point) => point >= saved) ?? this.last;
  }

  #find(address: ActivityAddress): HistoryEvent | undefined {
    if (address.by === 'call') {
      const { type, n } = address;
      const calls = this.#events.filter((event) => event.type === 'ActivityScheduled' && event.name === type);
      return calls[n - 1] ?? this.#find(asActivityId(address));
    }
    const bySeq = address.seq === undefined ? undefined : this.#events[address.seq - 1];
    if (bySeq !== undefined && (address.by === 'seq' || bySeq.type === 'ActivityScheduled')) return bySeq;
    if (address.by === 'seq') return undefined;
    const byId = this.#events.findLast(({ type, meta }) => {
      return type === 'ActivityScheduled' && (JSON.parse(meta ?? '{}') as { id?: string }).id === address.id;
    });
    return byId ?? bySeq;
  }

  #invalid(problem: string): RuntimeError {
    return new RuntimeError('INVALID_INPUT', `Run ${this.runId} cannot be forked there: ${problem}.`, {
      runId: this.runId,
    });
  }
}
