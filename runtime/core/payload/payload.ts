// The payload codec: converts user values (arguments, results, details) to bytes and back, and keeps what JSON loses.
// The first byte is a tag: 0x02 is JSON text in UTF-8, for values that JSON returns unchanged; 0x01 is msgpack, for the
// rest. The data of every msgpack extension is itself one msgpack value, so a reader in SQL needs one recursive
// function. Works in Node and inside a vm context, with values of either realm. Does not limit the size.
import { Decoder, Encoder, type ExtensionCodecType, ExtData } from '@msgpack/msgpack';
import { isPlainJson } from './plain-json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';
import { findUnserialisable } from './unserialisable.ts';
import { kindOf } from './value-kind.ts';

const tagMsgpack = 0x01;
const tagJson = 0x02;
const jsonMark = String.fromCharCode(tagJson);
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Maximum nesting. The count restarts inside a Map, Set, Error or toJSON result. At most 200 of these may nest. */
const depthMax = 200;

/** An encoder keeps its buffer, so it is discarded after a payload larger than this. */
const keptBufferBytes = 1 << 20;

/** Extension numbers are stored permanently: never renumber, never reuse. */
const extension = {
  /** nil is undefined; 0 is minus zero. */
  unit: 0,
  /** Milliseconds since 1970; NaN for an invalid date. */
  date: 1,
  /** Decimal digits. */
  bigint: 2,
  /** Flat array: key, value, key, value … */
  map: 3,
  /** Array. */
  set: 4,
  /** Map with name, message and, if present, stack and cause. */
  error: 5,
  /**
   * Flat array of the members of an object that msgpack cannot hold, because it has a key `__proto__`, minus zero or a
   * lone surrogate.
   */
  entries: 6,
  /** JSON text of a string with lone surrogates, which UTF-8 cannot hold. */
  text: 7,
  /** The value itself: the result of toJSON, or an array that contains undefined. */
  inline: 8,
} as const;

class LoneSurrogates {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  static textOf(value: object): string | undefined {
    return #text in value ? value.#text : undefined;
  }
}

/** Stand-ins for primitives that the encoder would change without calling the codec. */
const undefinedUnit = Object.freeze({});
const minusZeroUnit = Object.freeze({});
const undefinedData = new ExtData(extension.unit, Uint8Array.of(0xc0));
const minusZeroData = new ExtData(extension.unit, Uint8Array.of(0x00));

const mapForEach = Map.prototype.forEach;
const setForEach = Set.prototype.forEach;
const getTime = Date.prototype.getTime;

function isAwkward(value: unknown): boolean {
  return typeof value === 'string' ? !value.isWellFormed() : value === 0 && Object.is(value, -0);
}

function standIn(value: unknown): unknown {
  if (value === undefined) return undefinedUnit;
  if (!isAwkward(value)) return value;
  return typeof value === 'string' ? new LoneSurrogates(value) : minusZeroUnit;
}

function extended(type: number, value: unknown): ExtData {
  return new ExtData(type, encodeNested(value));
}

function encodeArray(array: readonly unknown[]): ExtData | null {
  // includes() also finds holes.
  if (!array.includes(undefined) && !array.some(isAwkward)) return null;
  return extended(extension.inline, Array.from(array, standIn));
}

function encodeObject(object: Record<string, unknown>): ExtData | null {
  const keys = Object.keys(object);
  for (const key of keys) {
    if (key === '__proto__' || !key.isWellFormed() || isAwkward(object[key])) return encodeEntries(object, keys);
  }
  return null;
}

function encodeEntries(object: Record<string, unknown>, keys: readonly string[]): ExtData {
  const flat: unknown[] = [];
  for (const key of keys) {
    const value = object[key];
    if (value !== undefined) flat.push(standIn(key), standIn(value));
  }
  return extended(extension.entries, flat);
}

function encodeMap(map: Map<unknown, unknown>): ExtData {
  const flat: unknown[] = [];
  mapForEach.call(map, (value, key) => flat.push(standIn(key), standIn(value)));
  return extended(extension.map, flat);
}

function encodeSet(set: Set<unknown>): ExtData {
  const flat: unknown[] = [];
  setForEach.call(set, (value) => flat.push(standIn(value)));
  return extended(extension.set, flat);
}

function encodeError(error: Error): ExtData {
  const { name, message, stack, cause } = error;
  return extended(extension.error, {
    name: String(name),
    message: String(message),
    stack: stack === undefined ? undefined : String(stack),
    cause,
  });
}

function tryToEncode(value: unknown): ExtData | null {
  if (typeof value === 'bigint') return extended(extension.bigint, value.toString());
  if (typeof value !== 'object' || value === null) return refuse(value);
  const kind = kindOf(value);
  switch (kind) {
    case 'array':
      return encodeArray(value as unknown[]);
    case 'object': {
      if (value === undefinedUnit) return undefinedData;
      if (value === minusZeroUnit) return minusZeroData;
      const text = LoneSurrogates.textOf(value);
      if (text !== undefined) return extended(extension.text, JSON.stringify(text));
      return encodeObject(value as Record<string, unknown>);
    }
    case 'bytes':
      return null;
    case 'date':
      return extended(extension.date, getTime.call(value as Date));
    case 'map':
      return encodeMap(value as Map<unknown, unknown>);
    case 'set':
      return encodeSet(value as Set<unknown>);
    case 'error':
      return encodeError(value as Error);
    case 'json':
      return extended(extension.inline, standIn((value as { toJSON(key: string): unknown }).toJSON('')));
    case 'boxed':
      return extended(extension.inline, standIn(value.valueOf()));
    case 'refused':
      return refuse(value);
    default:
      return kind satisfies never;
  }
}

function refuse(value: unknown): never {
  throw new TypeError(`a ${typeof value} cannot be encoded`);
}

function setHidden(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: false, configurable: true });
}

function decodeError(parts: { name: string; message: string; stack?: string; cause?: unknown }): Error {
  const error = new Error(parts.message, 'cause' in parts ? { cause: parts.cause } : undefined);
  if (parts.name !== error.name) setHidden(error, 'name', parts.name);
  setHidden(error, 'stack', parts.stack);
  return error;
}

function* pairs(flat: readonly unknown[]): Generator<[unknown, unknown]> {
  for (let index = 0; index < flat.length; index += 2) yield [flat[index], flat[index + 1]];
}

function decodeEntries(flat: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of pairs(flat)) {
    // Assignment to `__proto__` would set the prototype.
    Object.defineProperty(object, String(key), { value, writable: true, enumerable: true, configurable: true });
  }
  return object;
}

function decodeExtension(data: Uint8Array, type: number): unknown {
  const value = decodeNested(data);
  switch (type) {
    case extension.unit:
      return value === null ? undefined : -0;
    case extension.date:
      return new Date(value as number);
    case extension.bigint:
      return BigInt(value as string);
    case extension.map:
      return new Map(pairs(value as unknown[]));
    case extension.set:
      return new Set(value as unknown[]);
    case extension.error:
      return decodeError(value as Parameters<typeof decodeError>[0]);
    case extension.entries:
      return decodeEntries(value as unknown[]);
    case extension.text:
      return JSON.parse(value as string);
    case extension.inline:
      return value;
    default:
      throw new TypeError(`extension type ${type} is unknown`);
  }
}

const extensionCodec: ExtensionCodecType<undefined> = { tryToEncode, decode: decodeExtension };

// One encoder per nesting level, because a busy encoder would clone itself and its buffer for every nested value.
const encoders: Encoder[] = [];
const decoders: Decoder[] = [];
let encodeLevel = 0;
let decodeLevel = 0;

/** The bytes belong to this level's encoder. They are valid until it encodes again. */
function encodeNested(value: unknown): Uint8Array {
  if (encodeLevel > depthMax) throw new RangeError(`nested deeper than ${depthMax}`);
  const encoder = (encoders[encodeLevel] ??= new Encoder({
    extensionCodec,
    ignoreUndefined: true,
    maxDepth: depthMax,
    initialBufferSize: 512,
  }));
  encodeLevel += 1;
  try {
    return encoder.encodeSharedRef(value);
  } finally {
    encodeLevel -= 1;
  }
}

function decodeNested(bytes: Uint8Array): unknown {
  const decoder = (decoders[decodeLevel] ??= new Decoder({ extensionCodec }));
  decodeLevel += 1;
  try {
    return decoder.decode(bytes);
  } finally {
    decodeLevel -= 1;
  }
}

/**
 * Keeps Date, bigint, Uint8Array, Map, Set, Error, undefined, NaN, ±Infinity, -0 and every string. Like JSON, it drops
 * undefined properties and symbol keys, calls toJSON, and encodes a class instance as its own properties.
 * @throws NOT_SERIALISABLE with the path of the value in the message
 */
export function encodePayload(value: unknown): Uint8Array {
  let body: Uint8Array;
  try {
    if (isPlainJson(value, depthMax - 1)) return textEncoder.encode(jsonMark + JSON.stringify(value));
    body = encodeNested(standIn(value));
  } catch (error) {
    const { path, reason, cause } = findUnserialisable(value, depthMax) ?? {
      path: '$',
      reason: 'unreadable',
      cause: error,
    };
    throw new RuntimeError(
      'NOT_SERIALISABLE',
      `Cannot serialise ${path}: ${reason}. Expected plain data (JSON values, Date, bigint, Uint8Array, Map, Set, Error); ` +
        'Remove the value or convert it first.',
      { cause },
    );
  }
  const bytes = new Uint8Array(body.length + 1);
  bytes[0] = tagMsgpack;
  bytes.set(body, 1);
  if (body.length > keptBufferBytes) encoders.length = encodeLevel;
  return bytes;
}

/** Decoded Uint8Arrays share no memory with `bytes`. @throws PAYLOAD_UNREADABLE */
export function decodePayload(bytes: Uint8Array): unknown {
  const tag = bytes[0];
  if (tag !== tagMsgpack && tag !== tagJson) {
    const found = tag === undefined ? 'no byte' : `0x${tag.toString(16).padStart(2, '0')}`;
    throw new RuntimeError(
      'PAYLOAD_UNREADABLE',
      `Payload of ${bytes.length} bytes has an unknown tag: found ${found}, expected 0x01 (msgpack) or 0x02 (JSON). ` +
        'It was written by a newer version, or encoded by a codec that is not configured here.',
    );
  }
  try {
    if (tag === tagJson) return JSON.parse(textDecoder.decode(bytes.subarray(1)));
    // Copied into a Uint8Array of this realm: msgpack returns views of its input, and views of a Buffer would be
    // Buffers.
    const body = new Uint8Array(bytes.length - 1);
    body.set(bytes.subarray(1));
    return decodeNested(body);
  } catch (error) {
    throw new RuntimeError(
      'PAYLOAD_UNREADABLE',
      `Payload of ${bytes.length} bytes is not valid ${tag === tagMsgpack ? 'msgpack' : 'JSON'}: it is damaged, ` +
        'or was written by a newer version.',
      { cause: error },
    );
  }
}
