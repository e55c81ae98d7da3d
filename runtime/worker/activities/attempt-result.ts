// What an attempt returned, as it goes into the log.
import { ApplicationFailure, ensureApplicationFailure } from '../../core/failure/failure.ts';
import { encodePayload } from '../../core/payload/payload.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';

/**
 * @throws ApplicationFailure, non-retryable where the result is to blame: trying again would repeat the effect and end the
 * same way.
 */
export function encodeResult(activityType: string, result: unknown, maxPayloadBytes: number): Uint8Array {
  let payload: Uint8Array;
  try {
    payload = encodePayload(result);
  } catch (error) {
    if (error instanceof RuntimeError) throw ApplicationFailure.nonRetryable(error.message, error.code);
    throw ensureApplicationFailure(error);
  }
  if (payload.length <= maxPayloadBytes) return payload;
  throw ApplicationFailure.nonRetryable(
    `Result of activity ${activityType} has ${payload.length} bytes, the limit is ${maxPayloadBytes}. ` +
      'Return a reference to it, or raise maxPayloadBytes.',
    'PAYLOAD_TOO_LARGE',
  );
}
