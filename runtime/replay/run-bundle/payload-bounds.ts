// Checks the structure of a payload from outside before it is decoded: lengths, nesting, and that nothing is cut off.
// A decoder that trusts lengths can be made to allocate gigabytes by a few bytes. Pure; without recursion.
import { jsonTextBounds } from './json-bounds.ts';

const tagMsgpack = 0x01;
const tagJson = 0x02;
/** As deep as the codec writes: see payload.ts. */
const depthMax = 200;
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface PayloadBounds {
  /** Number of values in lists and maps; 0 when the payload has a fault, or a tag that this version does not know. */
  readonly values: number;
  /** Why the payload cannot be decoded safely. */
  readonly fault: string | undefined;
}

export function payloadBounds(payload: Uint8Array): PayloadBounds {
  if (payload[0] === tagMsgpack) return msgpackBounds(payload);
  if (payload[0] !== tagJson) return { values: 0, fault: undefined };
  let text: string;
  try {
    text = textDecoder.decode(payload.subarray(1));
  } catch (error) {
    if (error instanceof TypeError) return faulty('text that is not UTF-8');
    throw error;
  }
  const { depth, values } = jsonTextBounds(text);
  return depth > depthMax ? faulty(`JSON nested deeper than ${depthMax}`) : { values, fault: undefined };
}

function faulty(fault: string): PayloadBounds {
  return { values: 0, fault };
}

/** Values that are still to come at one level. `end` is set for the content of an extension. */
interface Level {
  left: number;
  readonly end: number | undefined;
}

function msgpackBounds(bytes: Uint8Array): PayloadBounds {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const levels: Level[] = [{ left: 1, end: bytes.length }];
  let extensions = 0;
  let values = 0;
  for (let at = 1; ; ) {
    const level = levels.at(-1)!;
    if (level.left === 0) {
      if (level.end !== undefined && at !== level.end)
        return faulty(`${Math.abs(level.end - at)} bytes too many or too few`);
      levels.pop();
      if (levels.length === 0) return { values, fault: undefined };
      if (level.end !== undefined) extensions--;
      continue;
    }
    level.left--;
    values++;
    const value = headAt(view, at);
    if (value === undefined) return faulty('a value that is cut off or unknown');
    at = value.content + value.bytes;
    if (at > bytes.length) return faulty('a value longer than the payload');
    if (value.children !== undefined) {
      if (value.children > bytes.length - at) return faulty('a list longer than the payload');
      if (levels.length >= depthMax * (extensions + 1)) return faulty(`nested deeper than ${depthMax}`);
      levels.push({ left: value.children, end: undefined });
    } else if (value.extension !== undefined) {
      if (extensions >= depthMax || at + value.extension > bytes.length)
        return faulty('an extension longer than the payload');
      extensions++;
      levels.push({ left: 1, end: at + value.extension });
    }
  }
}

interface Head {
  /** Place behind the type and the length. */
  readonly content: number;
  /** Number of content bytes that hold no other values. */
  readonly bytes: number;
  /** Number of values in a list or map. */
  readonly children?: number;
  /** Number of bytes of an extension, which hold one value. */
  readonly extension?: number;
}

/** Source: the msgpack specification, "Formats". */
function headAt(view: DataView, at: number): Head | undefined {
  if (at >= view.byteLength) return undefined;
  const type = view.getUint8(at);
  const content = at + 1;
  if (type <= 0x7f || type >= 0xe0) return { content, bytes: 0 };
  if (type <= 0x8f) return { content, bytes: 0, children: 2 * (type & 0x0f) };
  if (type <= 0x9f) return { content, bytes: 0, children: type & 0x0f };
  if (type <= 0xbf) return { content, bytes: type & 0x1f };
  if (type === 0xc1) return undefined;
  if (type <= 0xc3) return { content, bytes: 0 };
  if (type >= 0xca && type <= 0xd3) return { content, bytes: scalarBytes[type - 0xca]! };
  // A fixed extension has one byte for its type.
  if (type >= 0xd4 && type <= 0xd8) return { content: content + 1, bytes: 0, extension: 1 << (type - 0xd4) };
  const lengthBytes = lengthBytesOf(type);
  if (content + lengthBytes > view.byteLength) return undefined;
  const length = lengthAt(view, content, lengthBytes);
  const rest = content + lengthBytes;
  if (type <= 0xc6 || (type >= 0xd9 && type <= 0xdb)) return { content: rest, bytes: length };
  if (type <= 0xc9) return { content: rest + 1, bytes: 0, extension: length };
  return { content: rest, bytes: 0, children: type <= 0xdd ? length : 2 * length };
}

/** float 32 and 64, uint 8 to 64, int 8 to 64. */
const scalarBytes = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];

/** bin, ext and str have lengths of 1, 2 and 4 bytes; array and map of 2 and 4. */
function lengthBytesOf(type: number): number {
  if (type <= 0xc6) return 1 << (type - 0xc4);
  if (type <= 0xc9) return 1 << (type - 0xc7);
  if (type <= 0xdb) return 1 << (type - 0xd9);
  return type === 0xdc || type === 0xde ? 2 : 4;
}

function lengthAt(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at);
}
