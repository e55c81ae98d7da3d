// Context patches of a run and of the runs before it in its chain, with author and reason. Runs no code, writes nothing.
import type { Op } from '../../core/json/operation.ts';
import type { ContextSource } from '../../core/log/event.ts';
import { pointerPattern, touches } from '../../core/json/pointer-pattern.ts';
import { checkOptions, oneOf, optionTable, trueOrFalse, unchecked } from '../../core/options/option-table.ts';
import { pastTime, type TimeZoneChoice } from '../../core/options/past-time.ts';
import type { Database } from '../../store/sql/database.ts';
import { type PatchLimit, readPatches, type StoredEvent } from '../../store/log/history.ts';
import { type ChainChoice, coveredRuns } from './history-point.ts';

export interface PatchFilter extends ChainChoice {
  /** JSON Pointer, whose token `*` stands for any key. Selects the patches at, above or below this path. */
  path?: string;
  source?: ContextSource;
  sourceId?: string;
  /** Only patches at or after this time; the same forms as the time of a point. */
  since?: Date | string;
  /** Only patches at or before this time. */
  until?: Date | string;
  /** The zone of times without one. Default: the zone of this machine. */
  zone?: TimeZoneChoice;
}

export interface PatchRecord {
  readonly runId: string;
  readonly seq: number;
  readonly at: Date;
  readonly ops: readonly Op[];
  readonly source: ContextSource | null;
  readonly sourceId: string | null;
  readonly reason: string | null;
  /** Seq of the event that caused the patch, when the patch did not come from workflow code. */
  readonly cause: number | null;
  /** Set when the patch reported progress: 0 to 1, and the step. */
  readonly progress?: number;
  readonly ref?: string;
}

const filterOptions = optionTable<PatchFilter>({
  ...unchecked('path', 'source', 'sourceId', 'since', 'until'),
  chain: trueOrFalse,
  zone: oneOf({ local: 'local', utc: 'utc' }),
});

/** @throws INVALID_INPUT */
export async function contextPatches(database: Database, runId: string, filter: PatchFilter): Promise<PatchRecord[]> {
  checkOptions('patches', filter, filterOptions);
  const { path, source, sourceId } = filter;
  const pattern = path === undefined ? undefined : pointerPattern('patches', path);
  const limit = timesOf(filter);
  const records: PatchRecord[] = [];
  for (const each of await coveredRuns(database, runId, filter)) {
    for await (const record of readRecords(database, each, limit)) {
      if (source !== undefined && record.source !== source) continue;
      if (sourceId !== undefined && record.sourceId !== sourceId) continue;
      if (pattern !== undefined && !record.ops.some((op) => touches(op, pattern))) continue;
      records.push(record);
    }
  }
  return records;
}

/** The patches of one run, in order. */
export async function* readRecords(
  database: Database,
  runId: string,
  limit: PatchLimit,
): AsyncGenerator<PatchRecord, void, undefined> {
  for await (const page of readPatches(database, runId, limit)) for (const event of page) yield recordOf(runId, event);
}

function recordOf(runId: string, { seq, at, ops, source, sourceId, reason, answers, meta }: StoredEvent): PatchRecord {
  const { progress, ref } = meta === null ? {} : (JSON.parse(meta) as { progress?: unknown; ref?: unknown });
  return {
    ...{ runId, seq, at: new Date(at / 1000), ops: JSON.parse(ops ?? '[]') as Op[] },
    ...{ source, sourceId, reason, cause: answers },
    ...(typeof progress === 'number' ? { progress } : {}),
    ...(typeof ref === 'string' ? { ref } : {}),
  };
}

function timesOf({ since, until, zone }: PatchFilter): PatchLimit {
  const reading = { now: Date.now(), ...(zone === undefined ? {} : { zone }) };
  return {
    // A time in ms means its whole millisecond, from its first microsecond on.
    ...(since === undefined ? {} : { fromTime: firstOfMs(pastTime('patches since', since, reading)) }),
    ...(until === undefined ? {} : { upToTime: pastTime('patches until', until, reading) }),
  };
}

function firstOfMs(micros: number): number {
  return micros % 1000 === 999 ? micros - 999 : micros;
}
