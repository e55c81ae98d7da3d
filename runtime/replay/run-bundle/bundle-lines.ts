// The lines of a run bundle: a gzip file of JSON lines. A header, then for each segment of the run's line a segment
// line and its events, then the workflow code if it is included, and an end line. Payloads and JSON columns are kept
// byte for byte, because the hashes cover them. The format is permanent: a change needs a new version number.
import { createHash } from 'node:crypto';
import type { ContextSource, EventType, HistoryEvent } from '../../core/log/event.ts';
import type { LineSegment } from '../../core/log/line.ts';
import type { RunStatus } from '../../core/log/transition.ts';

export const bundleFormat = 'reprise-run-bundle';
export const bundleVersion = 1;

export interface BundleHeader {
  readonly format: typeof bundleFormat;
  readonly version: typeof bundleVersion;
  readonly run: {
    readonly runId: string;
    readonly workflowId: string;
    readonly workflowType: string;
    readonly status: RunStatus;
  };
  /** The last event. The hash is null if no turn has ended yet. */
  readonly head: { readonly seq: number; readonly hash: string | null };
  readonly line: readonly LineSegment[];
  /** Hash of the workflow code that worked on the run last; null when it is not known. */
  readonly codeHash: string | null;
  /** The included workflow code: JSON text of a workflow bundle, its digest, and its length in UTF-16 units. */
  readonly code: { readonly sha256: string; readonly length: number } | null;
  readonly exportedAt: string;
}

/** An event. Columns that are null are left out. A payload is `json`, its JSON text, or else `base64`. */
export interface EventLine {
  readonly seq: number;
  readonly type: EventType;
  readonly at: number;
  readonly name?: string | undefined;
  readonly answers?: number | undefined;
  readonly attempt?: number | undefined;
  readonly source?: ContextSource | undefined;
  readonly sourceId?: string | undefined;
  readonly reason?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly ops?: string | undefined;
  readonly json?: string | undefined;
  readonly base64?: string | undefined;
  readonly meta?: string | undefined;
  readonly hash?: string | undefined;
}

/** SHA-256, hex, of a text. Over UTF-16, so that parts of a text can be hashed wherever it was cut. */
export function textDigest(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('hex');
}

const tagJson = 0x02;
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function eventLine(event: HistoryEvent): EventLine {
  const { seq, type, at, payload, hash, ...columns } = event;
  const given = Object.entries(pickColumns(columns)).filter(([, value]) => value !== null);
  return {
    seq,
    type,
    at,
    ...(Object.fromEntries(given) as Partial<EventLine>),
    ...payloadColumns(payload),
    ...(hash === null ? {} : { hash: Buffer.from(hash).toString('hex') }),
  };
}

type TextColumns = Omit<HistoryEvent, 'seq' | 'type' | 'at' | 'payload' | 'hash'>;

/** Without other members that a reader may add to an event, such as its run id. */
function pickColumns({
  name,
  answers,
  attempt,
  source,
  sourceId,
  reason,
  correlationId,
  ops,
  meta,
}: TextColumns): TextColumns {
  return { name, answers, attempt, source, sourceId, reason, correlationId, ops, meta };
}

function payloadColumns(payload: Uint8Array | null): Pick<EventLine, 'json' | 'base64'> {
  if (payload === null) return {};
  const json = payload[0] === tagJson ? utf8Text(payload.subarray(1)) : undefined;
  return json === undefined ? { base64: Buffer.from(payload).toString('base64') } : { json };
}

/** Undefined when the bytes are not UTF-8, so that a text always gives the same bytes again. */
function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return textDecoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

export function eventOf(line: EventLine): HistoryEvent {
  const { seq, type, at, json, base64, hash } = line;
  return {
    seq,
    type,
    at,
    name: line.name ?? null,
    answers: line.answers ?? null,
    attempt: line.attempt ?? null,
    source: line.source ?? null,
    sourceId: line.sourceId ?? null,
    reason: line.reason ?? null,
    correlationId: line.correlationId ?? null,
    ops: line.ops ?? null,
    payload: payloadOf(json, base64),
    meta: line.meta ?? null,
    hash: hash === undefined ? null : Buffer.from(hash, 'hex'),
  };
}

function payloadOf(json: string | undefined, base64: string | undefined): Uint8Array | null {
  if (json !== undefined) {
    const text = textEncoder.encode(json);
    const payload = new Uint8Array(text.length + 1);
    payload[0] = tagJson;
    payload.set(text, 1);
    return payload;
  }
  return base64 === undefined ? null : Buffer.from(base64, 'base64');
}
