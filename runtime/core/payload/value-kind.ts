// Decides how an object is encoded in a payload. Works for objects of any realm: never uses instanceof, and calls no
// getters except toJSON and Symbol.toStringTag.

/** `json`: by its toJSON. `boxed`: new Number(1) and the like. `refused`: meaningless outside of its process. */
export type ValueKind = 'object' | 'array' | 'bytes' | 'date' | 'map' | 'set' | 'error' | 'json' | 'boxed' | 'refused';

const kindByTag: ReadonlyMap<string, ValueKind> = new Map<string, ValueKind>([
  ['[object Date]', 'date'],
  ['[object Map]', 'map'],
  ['[object Set]', 'set'],
  ['[object Error]', 'error'],
  ['[object DOMException]', 'error'],
  ['[object Number]', 'boxed'],
  ['[object String]', 'boxed'],
  ['[object Boolean]', 'boxed'],
  ['[object BigInt]', 'boxed'],
  ...[
    'Promise',
    'RegExp',
    'URL',
    'URLSearchParams',
    'WeakMap',
    'WeakSet',
    'WeakRef',
    'FinalizationRegistry',
    'Symbol',
    'ArrayBuffer',
    'SharedArrayBuffer',
    'Generator',
    'AsyncGenerator',
    'Iterator Helper',
    'Array Iterator',
    'Map Iterator',
    'Set Iterator',
    'String Iterator',
    'AbortSignal',
    'AbortController',
    'ReadableStream',
    'WritableStream',
    'Blob',
    'File',
    'Headers',
    'FormData',
    'Request',
    'Response',
  ].map((name): [string, ValueKind] => [`[object ${name}]`, 'refused']),
]);

/** The tag that Object.prototype.toString gives: `[object Map]`. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

export function kindOf(value: object): ValueKind {
  if (Array.isArray(value)) return 'array';
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const tag = tagOf(value);
    if (ArrayBuffer.isView(value)) return tag === '[object Uint8Array]' ? 'bytes' : 'refused';
    const kind = kindByTag.get(tag);
    if (kind !== undefined) return kind;
  }
  return typeof (value as { toJSON?: unknown }).toJSON === 'function' ? 'json' : 'object';
}
