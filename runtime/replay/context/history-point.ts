// Points in a run's history, as callers name them: a seq, a time, a checkpoint or a step. Finds the run of the chain and
// the seq that a point means.
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { isNumberedAddress, eventAddress, type NamedPoints } from '../../core/recovery/event-address.ts';
import { isPastTime, pastTime, type TimeZoneChoice } from '../../core/options/past-time.ts';
import {
  checkOptions,
  oneOf,
  optionTable,
  type OptionRule,
  ruleOf,
  storableText,
  trueOrFalse,
  unchecked,
} from '../../core/options/option-table.ts';
import type { HistorySource } from '../../core/log/history-source.ts';
import { findNamed } from '../../store/checkpoints/named-checkpoints.ts';
import { findEvent, findTime } from '../../store/log/find-event.ts';
import { readChain } from '../../store/runs/chain-runs.ts';
import type { Database } from '../../store/sql/database.ts';

/** How a read follows a chain of runs. */
export interface ChainChoice {
  /**
   * Default true: the read also covers the earlier runs of the chain (those that continued as new, earlier attempts,
   * earlier runs of a schedule). False: this run alone.
   */
  chain?: boolean;
}

/** At most one of `seq`, `time`, `checkpoint` and `event`. Default: the end of the log. Points are inclusive. */
export interface StatePoint extends ChainChoice {
  /** A position in the log of the handle's run. */
  seq?: number;
  /** A Date, ISO 8601, a time of day such as "14:03" (the latest one), "5 min ago" or "now". */
  time?: Date | string;
  /** The name of a checkpoint. */
  checkpoint?: string;
  /** A step of the handle's run: `type#n`, the n-th call of an activity type or the n-th event of an event type; or an activity's id. */
  event?: string;
  /** The zone of a time without one. Default: the zone of this machine. */
  zone?: TimeZoneChoice;
}

export interface ResolvedPoint {
  readonly runId: string;
  /** Seq of the last event that counts; undefined: all. */
  readonly upTo: number | undefined;
}

const zone: OptionRule = oneOf({ local: 'local', utc: 'utc' });
const pointOptions = optionTable<StatePoint>({
  ...unchecked('seq', 'time', 'event'),
  checkpoint: storableText,
  chain: trueOrFalse,
  zone,
});

const accepted =
  'a seq such as 42, type#n such as validate#1 or SignalReceived#2, checkpoint:NAME, event:ACTIVITY-ID, or a time such as ' +
  '2026-01-31T12:00:00Z, 14:03 or "5 min ago"';

/** A point as one text, for command lines. @throws INVALID_INPUT */
export function pointOf(text: string): StatePoint {
  const given = text.trim();
  if (/^\d+$/.test(given)) return { seq: Number(given) };
  if (given.startsWith('checkpoint:')) return { checkpoint: given.slice('checkpoint:'.length) };
  if (given.startsWith('event:')) return { event: given.slice('event:'.length) };
  if (isPastTime(given)) return { time: given };
  if (isNumberedAddress(given)) return { event: given };
  throw new RuntimeError('INVALID_INPUT', `"${text}" is not a point. Expected ${accepted}.`);
}

/** A seq, a Date, or a point as one text. Inclusive. */
export type ReplayPoint = number | Date | string;

export const replayPoint: OptionRule = ruleOf(accepted, (value) => {
  if (typeof value === 'number') return isSeq(value);
  return value instanceof Date ? !Number.isNaN(value.getTime()) : typeof value === 'string' && isPoint(value);
});

function isPoint(text: string): boolean {
  try {
    const { seq, checkpoint, event } = pointOf(text);
    if (event !== undefined) eventAddress(event);
    if (checkpoint !== undefined && storableText.faultOf(checkpoint) !== undefined) return false;
    return seq === undefined || isSeq(seq);
  } catch (error) {
    if (error instanceof RuntimeError) return false;
    throw error;
  }
}

/**
 * The seq of a point in a run's line; undefined without a point.
 * @throws INVALID_INPUT, CHECKPOINT_NOT_FOUND, STEP_NOT_FOUND
 */
export async function seqOfPoint(
  source: HistorySource & NamedPoints,
  given: ReplayPoint | undefined,
): Promise<number | undefined> {
  if (given === undefined || typeof given === 'number') return given;
  const { seq, time, checkpoint, event } = given instanceof Date ? { time: given } : pointOf(given);
  if (time !== undefined) return source.seqAt(pastTime('replay', time, { now: Date.now() }));
  if (checkpoint !== undefined) {
    const found = await source.seqOfCheckpoint(checkpoint);
    if (found === undefined) throw noCheckpoint(source.runId, checkpoint);
    return found;
  }
  if (event === undefined) return seq;
  const found = await source.seqOfEvent(eventAddress(event));
  if (found === undefined) throw noSuchEvent(source.runId, event);
  return found;
}

/** @throws INVALID_INPUT for an invalid point, CHECKPOINT_NOT_FOUND, STEP_NOT_FOUND */
export async function resolvePoint(
  database: Database,
  runId: string,
  call: string,
  point: StatePoint,
): Promise<ResolvedPoint> {
  checkOptions(call, point, pointOptions);
  const given = (['seq', 'time', 'checkpoint', 'event'] as const).filter((name) => point[name] !== undefined);
  if (given.length > 1) {
    throw new RuntimeError('INVALID_INPUT', `${call} takes ${given.join(' or ')}, not both: a point is one of them.`);
  }
  const { seq, time, checkpoint, event } = point;
  if (seq !== undefined) return { runId, upTo: checkedSeq(call, seq) };
  if (time !== undefined) return atTime(database, runId, call, { ...point, time });
  if (checkpoint !== undefined) return atCheckpoint(database, runId, point, checkpoint);
  if (event === undefined) return { runId, upTo: undefined };
  const found = await findEvent(database, runId, eventAddress(event));
  if (found !== undefined) return { runId, upTo: found };
  throw noSuchEvent(runId, event);
}

function noSuchEvent(runId: string, event: string): RuntimeError {
  return new RuntimeError(
    'STEP_NOT_FOUND',
    `Run ${runId} has no step "${event}". Expected type#n (the n-th call of an activity type, or the n-th event of a ` +
      'type, from 1) or the id of an activity; `reprise workflow show` lists them. Each run of a chain counts from 1: for a ' +
      'step of an earlier run, use a handle for that run.',
    { runId },
  );
}

/** The runs that a read covers, oldest first. `runId` is the last one. */
export async function coveredRuns(database: Database, runId: string, { chain = true }: ChainChoice): Promise<string[]> {
  if (!chain) return [runId];
  const runs = await readChain(database, runId);
  return runs.map((run) => run.runId).reverse();
}

function checkedSeq(call: string, seq: unknown): number {
  if (isSeq(seq)) return seq;
  throw new RuntimeError('INVALID_INPUT', `${call}: seq must be a whole number of 0 or more, got ${String(seq)}.`);
}

function isSeq(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2_147_483_647;
}

async function atTime(
  database: Database,
  runId: string,
  call: string,
  { time, zone: zoneOfTime, chain = true }: StatePoint & { time: Date | string },
): Promise<ResolvedPoint> {
  const at = pastTime(call, time, { now: Date.now(), ...(zoneOfTime === undefined ? {} : { zone: zoneOfTime }) });
  const upTo = await findTime(database, runId, at);
  if (upTo > 0 || !chain) return { runId, upTo };
  const runs = await readChain(database, runId);
  const then = runs.find(({ startedAt }) => startedAt.getTime() * 1000 <= at) ?? runs.at(-1) ?? { runId };
  return { runId: then.runId, upTo: await findTime(database, then.runId, at) };
}

async function atCheckpoint(
  database: Database,
  runId: string,
  choice: ChainChoice,
  name: string,
): Promise<ResolvedPoint> {
  const runs = await coveredRuns(database, runId, choice);
  for (const each of runs.reverse()) {
    const seq = await findNamed(database, each, name);
    if (seq !== undefined) return { runId: each, upTo: seq };
  }
  throw noCheckpoint(runId, name);
}

function noCheckpoint(runId: string, name: string): RuntimeError {
  return new RuntimeError(
    'CHECKPOINT_NOT_FOUND',
    `Run ${runId} has no checkpoint "${name}". \`reprise workflow checkpoints\` lists them.`,
    { runId },
  );
}
