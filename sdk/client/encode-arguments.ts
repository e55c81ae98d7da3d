// Encodes arguments for the log, and checks names, reasons and run ids before anything is written.
import { describeValue, isStorableName } from '../../runtime/core/json/json.ts';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { isRunId } from '../../runtime/store/runs/run-id.ts';

export const defaultMaxPayloadBytes: number = 2 * 1024 * 1024;

/** @throws NOT_SERIALISABLE with the path of the value; PAYLOAD_TOO_LARGE */
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

/**
 * Checks a name that a text column stores: anything without NUL and lone surrogates, up to 1000 bytes.
 * @throws INVALID_INPUT
 */
export function checkName(what: string, name: unknown): string {
  // Limited in bytes, because an index row has a size limit.
  if (typeof name !== 'string' || !isStorableName(name) || Buffer.byteLength(name) > 1000) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `${what} must be text of 1 to 1000 bytes without NUL and lone surrogates, got ${describeValue(name)}.`,
    );
  }
  return name;
}

const reasonChars = 8_192;

/** Makes a reason storable in a text column: NUL and lone surrogates become U+FFFD. @throws INVALID_INPUT */
export function checkReason(what: string, reason: unknown): string {
  if (typeof reason !== 'string') {
    throw new RuntimeError('INVALID_INPUT', `The reason of ${what} must be text, got ${typeof reason}.`);
  }
  if (reason.length <= reasonChars) return reason.replaceAll('\0', '\uFFFD').toWellFormed();
  throw new RuntimeError(
    'INVALID_INPUT',
    `The reason of ${what} has ${reason.length} characters, the limit is ${reasonChars}.`,
  );
}

/** @throws INVALID_INPUT */
export function checkRunId(id: unknown): void {
  if (typeof id === 'string' && isRunId(id)) return;
  const message = `"${String(id)}" is not a run id: expected a UUID, as start() and list() return.`;
  throw new RuntimeError('INVALID_INPUT', message);
}
