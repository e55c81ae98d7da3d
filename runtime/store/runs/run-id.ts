// Run ids and seeds. Ids are UUIDv7 (RFC 9562), created by the caller that starts the run. So no sequence is needed,
// and rows of the same time lie together.
import { hash, randomBytes, randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafe(4096);
let poolOffset = pool.length;

/** A new UUIDv7 as text. */
export function newRunId(nowMs: number = Date.now()): string {
  if (poolOffset + 10 > pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  pool.copy(bytes, 6, poolOffset, poolOffset + 10);
  poolOffset += 10;
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return runIdFromBytes(bytes);
}

/** A new seed for the random numbers of workflow code. */
export function newSeed(): string {
  return randomBytes(16).toString('hex');
}

/**
 * The id of the run that an event starts. Every process computes the same id, so a start that is repeated after a crash
 * finds the existing run. `at` is in µs since 1970.
 */
export function childRunId(parentRunId: string, seq: number, at: number): string {
  const bytes = Buffer.from(hash('sha256', `child ${parentRunId} ${seq}`, 'hex').slice(0, 32), 'hex');
  bytes.writeUIntBE(Math.floor(at / 1000), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return runIdFromBytes(bytes);
}

/**
 * The id of the fork that a request makes. Its time is that of the database, but later than that of `after`, the latest
 * run of the workflow id, because the latest run has the greatest id.
 */
export function forkRunId(
  requestId: string,
  origin: string,
  { after, nowMs }: { readonly after: string; readonly nowMs: number },
): string {
  const bytes = Buffer.from(hash('sha256', `fork ${origin} ${requestId}`, 'hex').slice(0, 32), 'hex');
  bytes.writeUIntBE(Math.max(Math.floor(nowMs), runIdBytes(after).readUIntBE(0, 6) + 1), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return runIdFromBytes(bytes);
}

export function runIdBytes(runId: string): Buffer {
  return Buffer.from(runId.replaceAll('-', ''), 'hex');
}

export function runIdFromBytes(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** True for the text form of a UUID. No other text may be put into an SQL statement. */
export function isRunId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
