// The hash chain of a run: one hash per turn over the canonical bytes of its events. The hash covers the digest of each
// content, so erasing a content but keeping its digest leaves the chain intact. Pure: the caller passes sha256. The
// byte format is permanent: reprise_audit.verify computes the same in SQL.
import { eventCode, type HistoryEvent, type Micros } from './event.ts';
import { type LogOwner, runIdAt } from './line.ts';

export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** An event as it is hashed: all columns except the hash itself. */
export type ChainEvent = Omit<HistoryEvent, 'hash'>;

/** 2000-01-01, the epoch of Postgres, in µs since 1970. */
const postgresEpoch: Micros = 946_684_800_000_000;
const digestBytes = 32;
const runIdBytes = 16;
/** seq int4, type int2, at int8, answers int4, attempt int2. */
const fixedBytes = 20;

const textEncoder = new TextEncoder();

// One growing buffer for all turns. Its content is valid only during a call.
let buffer = new Uint8Array(4096);
let view = new DataView(buffer.buffer);
let length = 0;

function reserve(byteCount: number): void {
  if (length + byteCount <= buffer.length) return;
  const grown = new Uint8Array(Math.max(buffer.length * 2, length + byteCount));
  grown.set(buffer.subarray(0, length));
  buffer = grown;
  view = new DataView(grown.buffer);
}

/** Writes UTF-8 at `at` without changing `length`. Returns the byte count. */
function putText(text: string, at: number): number {
  reserve(at - length + text.length * 3);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) return textEncoder.encodeInto(text, buffer.subarray(at)).written;
    buffer[at + index] = unit;
  }
  return text.length;
}

function appendText(text: string | null): void {
  reserve(4);
  if (text === null) {
    view.setInt32(length, -1);
    length += 4;
    return;
  }
  const byteCount = putText(text, length + 4);
  view.setInt32(length, byteCount);
  length += 4 + byteCount;
}

function appendDigest(content: string | Uint8Array | null, sha256: Sha256): void {
  reserve(1 + digestBytes);
  if (content === null) {
    buffer[length] = 0;
    length += 1;
    return;
  }
  let bytes: Uint8Array;
  if (typeof content === 'string') {
    // The text is encoded where the digest goes, which then overwrites the text.
    const byteCount = putText(content, length + 1);
    bytes = buffer.subarray(length + 1, length + 1 + byteCount);
  } else {
    bytes = content;
  }
  const digest = sha256(bytes);
  buffer[length] = 1;
  buffer.set(digest, length + 1);
  length += 1 + digestBytes;
}

/** Value of a hex digit; -1 for any other character. */
function hexDigit(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function appendRunId(runId: string): void {
  reserve(runIdBytes);
  let digits = 0;
  for (let index = 0; index < runId.length; index += 1) {
    const unit = runId.charCodeAt(index);
    if (unit === 0x2d) continue;
    const digit = hexDigit(unit);
    if (digit < 0 || digits === runIdBytes * 2) throw notUuid(runId);
    const at = length + (digits >> 1);
    buffer[at] = digits % 2 === 0 ? digit << 4 : (buffer[at] ?? 0) | digit;
    digits += 1;
  }
  if (digits !== runIdBytes * 2) throw notUuid(runId);
  length += runIdBytes;
}

function notUuid(runId: string): TypeError {
  return new TypeError(`Run id ${JSON.stringify(runId)} is not a UUID`);
}

function appendFixed(event: ChainEvent): void {
  const at = event.at - postgresEpoch;
  const high = Math.floor(at / 2 ** 32);
  reserve(fixedBytes);
  view.setInt32(length, event.seq);
  view.setInt16(length + 4, eventCode[event.type]);
  view.setInt32(length + 6, high);
  view.setUint32(length + 10, at - high * 2 ** 32);
  view.setInt32(length + 14, event.answers ?? 0);
  view.setInt16(length + 18, event.attempt ?? 0);
  length += fixedBytes;
}

/**
 * sha256 of the previous turn's hash (no bytes for the first turn of a run) and the canonical bytes of this turn. Each
 * event is hashed with the id of the run whose row holds it: the first turn of a fork may begin with an ancestor's start.
 * @throws TypeError when a run id is not a UUID
 */
export function turnHash(
  previous: Uint8Array,
  owner: string | LogOwner,
  events: readonly ChainEvent[],
  sha256: Sha256,
): Uint8Array {
  length = 0;
  reserve(previous.length);
  buffer.set(previous);
  length = previous.length;
  const isForked = typeof owner !== 'string' && owner.line !== undefined;
  const firstRunIdAt = length;
  const first = events[0];
  if (!isForked) appendRunId(typeof owner === 'string' ? owner : owner.runId);
  else if (first !== undefined) appendRunId(runIdAt(owner, first.seq));
  for (const [index, event] of events.entries()) {
    if (index > 0 && isForked) appendRunId(runIdAt(owner, event.seq));
    else if (index > 0) {
      reserve(runIdBytes);
      buffer.copyWithin(length, firstRunIdAt, firstRunIdAt + runIdBytes);
      length += runIdBytes;
    }
    appendFixed(event);
    appendText(event.name);
    appendText(event.source);
    appendText(event.sourceId);
    appendText(event.reason);
    appendText(event.correlationId);
    appendDigest(event.ops, sha256);
    appendDigest(event.payload, sha256);
    appendDigest(event.meta, sha256);
  }
  return sha256(buffer.subarray(0, length));
}
