// Reads what a record holds for a replay fork, and makes inputs of it. Keeps one page, because inputs come in the order
// of the record.
import { decodeFailureInfo } from '../../core/failure/failure-info.ts';
import type { PlannedInput } from '../../core/live-replay/replay-course.ts';
import type { ReplayedMeta } from '../../core/live-replay/replay-policy.ts';
import type { AskedPatch } from '../../core/context/patch-trial.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { Input } from '../../core/run/input.ts';
import { readHistory } from '../../store/log/history.ts';
import type { Database } from '../../store/sql/database.ts';

const pageEvents = 500;

export class RecordedEvents {
  readonly #database: Database;
  readonly #runId: string;
  readonly #head: number;
  #page = new Map<number, HistoryEvent>();

  constructor(database: Database, runId: string, head: number) {
    this.#database = database;
    this.#runId = runId;
    this.#head = head;
  }

  /** The event that an input repeats, and then the patches that came with it. */
  async of({ from }: PlannedInput): Promise<readonly HistoryEvent[]> {
    if (from === undefined) return [];
    const seqs = [from.seq, ...from.patches];
    if (seqs.some((seq) => !this.#page.has(seq))) await this.#read(from.seq, seqs.at(-1)!);
    return seqs.map((seq) => this.#page.get(seq)!);
  }

  async #read(first: number, last: number): Promise<void> {
    const page = new Map<number, HistoryEvent>();
    const upTo = Math.min(this.#head, Math.max(last, first + pageEvents));
    for await (const events of readHistory(this.#database, this.#runId, { after: first - 1, upTo, forReplay: true })) {
      for (const event of events) page.set(event.seq, event);
    }
    this.#page = page;
  }
}

/** `recorded`: as `RecordedEvents.of` returns it. */
export function replayedInput(
  { type, answers, from, given }: PlannedInput,
  [event, ...patches]: readonly HistoryEvent[],
): Input {
  const { seq: _seq, ...empty } = newEvent(0, type, { answers });
  const origin: ReplayedMeta = from === undefined ? {} : { from: { seq: from.seq } };
  if (given !== undefined) {
    const { payload, failed, key } = given;
    const reason = failed ? decodeFailureInfo(payload).message : null;
    return { ...empty, payload, reason, meta: JSON.stringify({ ...origin, given: key }) };
  }
  if (event === undefined) return { ...empty, meta: null };
  const { seq: _, at: _at, hash: _hash, meta, ...columns } = event;
  // What the recorded call has cost is not spent again.
  const { usage: _usage, ...facts } = JSON.parse(meta ?? '{}') as { usage?: unknown };
  const input: Input = { ...columns, answers, meta: JSON.stringify({ ...facts, ...origin }) };
  return patches.length === 0 ? input : { ...input, staged: patches.map(stagedPatch) };
}

function stagedPatch({ ops, source, sourceId, reason }: HistoryEvent): AskedPatch {
  return { ops: ops ?? '[]', source: source ?? 'tool', sourceId: sourceId ?? '', reason };
}
