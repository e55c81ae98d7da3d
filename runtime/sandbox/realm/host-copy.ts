// Copies results of the sandbox into the host's realm: plain objects, strings, numbers, booleans and Uint8Arrays. So
// `instanceof` holds on the host, and objects that the host keeps neither keep a run alive nor change with it.
import type {
  ActivationResult,
  Divergence,
  LogLine,
  PendingCall,
  QueryResult,
  TaskFailure,
  TurnDifference,
} from '../../core/log/activation.ts';
import type { PatchTrial } from '../../core/context/patch-trial.ts';
import type { NewEvent } from '../../core/log/event.ts';

function hostBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Copies every column by name, because spreading an object of another realm costs several times as much. */
function hostEvent(event: NewEvent): NewEvent {
  return {
    seq: event.seq,
    type: event.type,
    name: event.name,
    answers: event.answers,
    attempt: event.attempt,
    source: event.source,
    sourceId: event.sourceId,
    reason: event.reason,
    correlationId: event.correlationId,
    ops: event.ops,
    payload: event.payload === null ? null : hostBytes(event.payload),
    meta: event.meta,
  };
}

/** Attributes may hold anything. A value that cannot be cloned becomes the name of its kind. */
function hostValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? '[function]' : value;
  try {
    return structuredClone(value);
  } catch (error) {
    return `[not loggable: ${error instanceof Error ? error.message : typeof error}]`;
  }
}

const noLogs: readonly LogLine[] = Object.freeze([]);

export function hostLogs(logs: readonly LogLine[]): readonly LogLine[] {
  if (logs.length === 0) return noLogs;
  return Array.from(logs, ({ level, message, attributes }) => ({
    level,
    message: String(message),
    attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, hostValue(value)])),
  }));
}

/** The recorded event belongs to the host already, so it is not copied. */
function hostDivergence({ index, kind, recorded, produced }: Divergence): Divergence {
  return { index, kind, recorded, produced: produced && hostEvent(produced) };
}

function hostFailure({ divergence, ...failure }: TaskFailure): TaskFailure {
  return divergence === undefined ? failure : { ...failure, divergence: hostDivergence(divergence) };
}

function hostDifference({ divergence, places }: TurnDifference): TurnDifference {
  return { divergence: hostDivergence(divergence), places: Array.from(places) };
}

export function hostCalls(calls: readonly PendingCall[]): PendingCall[] {
  return Array.from(calls, ({ type, seq, name, id, due }) => ({ type, seq, name, id, due }));
}

export function hostResult(result: ActivationResult, withoutOutputs: boolean): ActivationResult {
  const logs = hostLogs(result.logs);
  if (!result.ok) return { ok: false, failure: hostFailure(result.failure), logs };
  const outputs: NewEvent[] = [];
  for (let i = 0; i < result.outputs.length && !withoutOutputs; i++) outputs.push(hostEvent(result.outputs[i]!));
  if (result.rejected === undefined) return { ok: true, outputs, logs };
  const rejected = Array.from(result.rejected, ({ seq, failure }) => ({ seq, failure: hostBytes(failure) }));
  if (result.difference === undefined) return { ok: true, outputs, logs, rejected };
  return { ok: true, outputs, logs, rejected, difference: hostDifference(result.difference) };
}

/** Strings belong to every realm; the objects around them are copied. */
export function hostTrial(trial: PatchTrial): PatchTrial {
  if (!trial.ok) return { ok: false, failure: hostFailure(trial.failure) };
  const { migration } = trial;
  const verdicts = Array.from(trial.verdicts, (verdict) =>
    verdict.ok ? { ...verdict, ops: Array.from(verdict.ops) } : { ...verdict },
  );
  return { ok: true, migration: migration && { ...migration }, verdicts };
}

export function hostAnswer(result: QueryResult & { readonly logs: readonly LogLine[] }): LoggedAnswer {
  const logs = hostLogs(result.logs);
  if (result.ok) return { ok: true, payload: hostBytes(result.payload), logs };
  return { ok: false, failure: hostBytes(result.failure), registered: result.registered, logs };
}

/** A query's answer and the log lines of its handler. */
export type LoggedAnswer = QueryResult & { readonly logs: readonly LogLine[] };
