// The token by which an external client names the attempt that it completes.
import { RuntimeError } from '../failure/runtime-error.ts';

export interface TaskToken {
  readonly runId: string;
  readonly seq: number;
  readonly attempt: number;
}

export function encodeTaskToken({ runId, seq, attempt }: TaskToken): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([runId, seq, attempt]));
}

/** @throws INVALID_INPUT */
export function decodeTaskToken(token: Uint8Array): TaskToken {
  try {
    const [runId, seq, attempt] = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(token)) as unknown[];
    if (isUuid(runId) && isCount(seq) && isCount(attempt)) return { runId, seq, attempt };
  } catch (cause) {
    throw invalid(cause);
  }
  throw invalid(undefined);
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 2_147_483_647;
}

function invalid(cause: unknown): RuntimeError {
  return new RuntimeError(
    'INVALID_INPUT',
    'The task token cannot be decoded. Expected the bytes of activityInfo().taskToken, or the text of base64TaskToken.',
    cause === undefined ? {} : { cause },
  );
}
