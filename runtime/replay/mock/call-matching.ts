// Matches the commands of diverged code with the recorded ones. An activity matches by its id and type if the user chose
// the id, else by its type and arguments; children and messages match by workflow id; the rest by content. A command
// that comes before its record, or after it, waits for it.
import type { ExternalMeta, ScheduledMeta, TimerMeta } from '../../core/log/activation.ts';
import type { Micros, NewEvent } from '../../core/log/event.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import type { ReplayCall } from '../report.ts';

/** A command of one side, until the other side has it too. */
interface Unmatched {
  readonly event: NewEvent;
  /** From the most certain to the least certain. */
  readonly keys: readonly string[];
  readonly place: string | undefined;
  readonly isApproximate: boolean;
}

export interface CommandFacts {
  /** Time of the turn that issued the command. */
  readonly at: Micros;
  /** True when the payload of an ActivityScheduled is the digest of its arguments. */
  readonly isRecorded: boolean;
  readonly place?: string | undefined;
  readonly isApproximate: boolean;
}

/** The commands that one side has and the other does not, found by any of their keys in the order of their arrival. */
class Pool {
  readonly #byKey = new Map<string, Unmatched[]>();
  readonly #open = new Set<Unmatched>();

  add(command: Unmatched): void {
    this.#open.add(command);
    for (const key of command.keys) {
      const queue = this.#byKey.get(key);
      if (queue === undefined) this.#byKey.set(key, [command]);
      else queue.push(command);
    }
  }

  take(keys: readonly string[]): Unmatched | undefined {
    for (const key of keys) {
      const queue = this.#byKey.get(key) ?? [];
      while (queue.length > 0) {
        const command = queue.shift()!;
        if (this.#open.delete(command)) return command;
      }
    }
    return undefined;
  }

  get open(): ReadonlySet<Unmatched> {
    return this.#open;
  }
}

export class CallMatching {
  readonly #recorded = new Pool();
  readonly #produced = new Pool();
  /** Seq of the record → seq of the code's command. */
  readonly #producedSeq = new Map<number, number>();
  readonly #unmatchedSeqs = new Set<number>();
  readonly #extraSeqs = new Set<number>();

  /** Adds a command of the record. */
  record(event: NewEvent, facts: CommandFacts): void {
    // A cancellation names the command that it cancels by that command's seq, which the code gives anew.
    const command = this.#command(event, facts, this.#producedSeq.get(event.answers ?? 0) ?? event.answers);
    const partner = this.#produced.take(command.keys);
    if (partner !== undefined) {
      this.#producedSeq.set(event.seq, partner.event.seq);
      this.#extraSeqs.delete(partner.event.seq);
    } else {
      this.#recorded.add(command);
      this.#unmatchedSeqs.add(event.seq);
    }
  }

  /** Adds a command of the code. */
  produce(event: NewEvent, facts: CommandFacts): void {
    const command = this.#command(event, facts, event.answers);
    const partner = this.#recorded.take(command.keys);
    if (partner === undefined) {
      this.#produced.add(command);
      this.#extraSeqs.add(event.seq);
      return;
    }
    const { seq } = partner.event;
    this.#producedSeq.set(seq, event.seq);
    this.#unmatchedSeqs.delete(seq);
  }

  /** The seq by which the code knows a recorded command; undefined while the code has not issued it. */
  seqOf(recorded: number): number | undefined {
    if (this.#unmatchedSeqs.has(recorded)) return undefined;
    return this.#producedSeq.get(recorded) ?? recorded;
  }

  /** Whether the log lacks a command of the code. */
  isExtra(seq: number): boolean {
    return this.#extraSeqs.has(seq);
  }

  get hasExtra(): boolean {
    return this.#extraSeqs.size > 0;
  }

  missing(): ReplayCall[] {
    return Array.from(this.#recorded.open, (command) => ({ ...callOf(command), seq: command.event.seq }));
  }

  extra(): ReplayCall[] {
    return Array.from(this.#produced.open, callOf);
  }

  #command(event: NewEvent, facts: CommandFacts, answers: number | null): Unmatched {
    return { event, keys: keysOf(event, facts, answers), place: facts.place, isApproximate: facts.isApproximate };
  }
}

function callOf({ event, place, isApproximate }: Unmatched): ReplayCall {
  return {
    ...describedCall(event),
    ...(place === undefined ? {} : { place }),
    ...(isApproximate ? { isApproximate } : {}),
  };
}

/** Type, name and id of a command. */
export function describedCall({ type, name, meta, correlationId }: NewEvent): Pick<ReplayCall, 'type' | 'name' | 'id'> {
  const id = type === 'ActivityScheduled' ? (activityMeta(meta).id ?? null) : correlationId;
  return { type, name, id };
}

export function callText({ type, name, id }: Pick<ReplayCall, 'type' | 'name' | 'id'>): string {
  return `${type}${name === null ? '' : ` ${name}`}${id === null ? '' : ` (${id})`}`;
}

function activityMeta(meta: string | null): Partial<ScheduledMeta> {
  return JSON.parse(meta ?? '{}') as Partial<ScheduledMeta>;
}

function keysOf(event: NewEvent, { at, isRecorded }: CommandFacts, answers: number | null): readonly string[] {
  const { type, name, correlationId } = event;
  switch (type) {
    case 'ActivityScheduled':
      return activityKeys(event, isRecorded);
    case 'TimerStarted': {
      const { due } = JSON.parse(event.meta ?? '{}') as TimerMeta;
      return [`${type} ${due - at}`, type];
    }
    case 'ChildWorkflowInitiated':
      return [`${type} ${correlationId}`];
    case 'ExternalSignalInitiated':
    case 'ExternalCancelInitiated': {
      const { runId = '' } = JSON.parse(event.meta ?? '{}') as ExternalMeta;
      return [`${type} ${name} ${correlationId} ${runId}`];
    }
    case 'ContextPatched':
      return [`${type} ${event.source} ${event.sourceId} ${event.ops}`];
    case 'ActivityCancelRequested':
    case 'TimerCancelled':
    case 'UpdateCompleted':
    case 'UpdateFailed':
      return [`${type} ${answers}`];
    case 'SearchAttributesUpserted':
    case 'MemoUpserted':
      return [`${type} ${event.meta}`];
    default:
      return [`${type} ${name}`];
  }
}

/** Ids that the engine gives count the calls, so a call that the code adds or drops shifts all later ones. */
const engineId = /^\d+$/;

function activityKeys({ name, meta, payload }: NewEvent, isRecorded: boolean): string[] {
  const { id = '', local = false } = activityMeta(meta);
  const kind = `${local ? 'local' : 'activity'} ${name}`;
  const byId = `${kind} id ${id}`;
  if (payload === null) return [byId];
  const digest = Buffer.from(isRecorded ? payload : sha256(payload)).toString('hex');
  const byArguments = `${kind} arguments ${digest}`;
  return engineId.test(id) ? [byArguments, byId] : [byId, byArguments];
}
