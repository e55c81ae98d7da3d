// Arguments on their way into the log: encoded, and refused when they are too large, before anything is written.
import { encodePayload } from '../runtime/history/payload.ts';
import { RuntimeError } from '../runtime/history/runtime-error.ts';

export const defaultMaxPayloadBytes: number = 2 * 1024 * 1024;

/** @throws NOT_SERIALISABLE with the path of the value, PAYLOAD_TOO_LARGE */
export function encodeArguments(what: string, args: readonly unknown[], maxBytes: number): Uint8Array {
  const payload = encodePayload(args);
  if (payload.length > maxBytes) {
    throw new RuntimeError(
      'PAYLOAD_TOO_LARGE',
      `The arguments of ${what} have ${payload.length} bytes, the limit is ${maxBytes}. Pass a reference to the data, or raise maxPayloadBytes.`,
    );
  }
  return payload;
}

/** Names go into text columns, which hold anything but NUL. @throws INVALID_INPUT */
export function checkName(what: string, name: unknown): string {
  if (typeof name !== 'string' || name === '' || name.length > 1000 || name.includes('\0')) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `${what} must be a string of 1 to 1000 characters without NUL, got ${JSON.stringify(name) ?? String(name)}.`,
    );
  }
  return name;
}
