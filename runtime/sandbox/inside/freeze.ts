// Freezes what all runs of a vm context share: built-ins and the modules of the shared bundle. Leaves objects of the
// host realm alone. Like Temporal, it does not reach what closures, Maps and class instances of shared modules hold.
import { encodingGlobals } from './encoding.ts';
import { host } from './host-realm.ts';

const hiddenIntrinsics: readonly unknown[] = [
  async () => undefined,
  (function* () {})(),
  (async function* () {})(),
  [].values(),
  new Map().values(),
  new Set().values(),
  ''[Symbol.iterator](),
  ''.matchAll(/./g),
  Object.getPrototypeOf(Uint8Array),
];

/** Prototypes of which every property can be overridden by assignment on an inheriting object. */
const overridden: ReadonlySet<object> = new Set([Object.prototype, Function.prototype]);

/**
 * On other prototypes, only these names can be overridden, because constructor functions and error classes assign them.
 */
const overriddenNames: ReadonlySet<string> = new Set([
  'constructor',
  'message',
  'name',
  'toJSON',
  'toLocaleString',
  'toString',
  'valueOf',
]);

/**
 * Objects whose `constructor` must stay a data property. V8 keeps array and promise methods fast only as long as it
 * does. An accessor there would turn off the fast paths in all contexts of the process.
 */
const watched: ReadonlySet<object> = new Set([
  Array.prototype,
  ArrayBuffer.prototype,
  Promise.prototype,
  RegExp.prototype,
  Object.getPrototypeOf(Uint8Array.prototype),
]);

function rootOf(object: object): object {
  let root = object;
  for (let next = Object.getPrototypeOf(root); next !== null; next = Object.getPrototypeOf(root)) root = next;
  return root;
}

const hostRoot = rootOf(host.URL);

/** Classes of this realm that extend a class of the host. */
const ownOverHost: ReadonlySet<unknown> = new Set([encodingGlobals.URL, encodingGlobals.URL.prototype]);

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/**
 * A read-only data property of a prototype blocks assignment on inheriting objects ("override mistake"). An accessor
 * allows the assignment: `error.name = 'X'` creates an own property.
 * Source: the technique of SES / Hardened JavaScript.
 */
function makeOverridable(prototype: object, name: string, value: unknown): void {
  Object.defineProperty(prototype, name, {
    get: () => value,
    set(this: object, own: unknown) {
      if (this === prototype) throw new TypeError(`Cannot assign to read only property '${name}' of object`);
      Object.defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true });
    },
  });
}

function isOverridable(prototype: object, name: string | symbol): name is string {
  if (typeof name !== 'string') return false;
  if (overridden.has(prototype)) return true;
  return overriddenNames.has(name) && !(name === 'constructor' && watched.has(prototype));
}

/** The parts of an object to visit. */
interface Reach {
  includes(value: object): boolean;
  /** True to follow a function to its `prototype`. */
  readonly prototypes: boolean;
}

function freezeDeep(value: unknown, reach: Reach, seen: Set<object>): void {
  if (!isObject(value) || seen.has(value) || !reach.includes(value)) return;
  seen.add(value);
  freezeDeep(Object.getPrototypeOf(value), reach, seen);
  const isPrototype = Object.hasOwn(value, 'constructor');
  for (const key of Reflect.ownKeys(value)) {
    if (key === 'prototype' && !reach.prototypes) continue;
    const property = Object.getOwnPropertyDescriptor(value, key)!;
    freezeDeep(property.get, reach, seen);
    freezeDeep(property.set, reach, seen);
    freezeDeep(property.value, reach, seen);
    const isOpen = isPrototype && property.configurable === true && 'value' in property;
    if (isOpen && isOverridable(value, key)) makeOverridable(value, key, property.value);
  }
  if (value === Error) freezeErrorClass();
  else Object.freeze(value);
}

/** Freezes all but `stackTraceLimit`, which libraries set (see guard.ts). */
function freezeErrorClass(): void {
  for (const key of Reflect.ownKeys(Error)) {
    if (key !== 'stackTraceLimit') Object.defineProperty(Error, key, { writable: false, configurable: false });
  }
  Object.preventExtensions(Error);
}

const everything: Reach = {
  includes: (value) => rootOf(value) !== hostRoot || ownOverHost.has(value),
  prototypes: true,
};

const plainPrototypes: ReadonlySet<unknown> = new Set([null, Object.prototype, Array.prototype]);

/**
 * For the user's own shared files. Excludes class instances, which may need to change (a schema that fills a cache).
 */
const plainThings: Reach = {
  includes: (value) => typeof value === 'function' || plainPrototypes.has(Object.getPrototypeOf(value)),
  prototypes: false,
};

/**
 * For packages. Freezing more than functions would break packages that fill prototypes and settings at first use, as
 * zod does.
 */
const functions: Reach = { includes: (value) => typeof value === 'function', prototypes: false };

export interface RealmParts {
  /** The values of the global object before any library was evaluated. */
  readonly builtins: readonly unknown[];
  /** Module namespaces. */
  readonly engine: Iterable<object>;
  readonly files: Iterable<object>;
  readonly packages: Iterable<object>;
}

/** Call when all shared modules are evaluated. No global can be added afterwards. */
export function freezeRealm(parts: RealmParts): void {
  const seen = new Set<object>([globalThis]);
  const intrinsics = hiddenIntrinsics.map((instance) => Object.getPrototypeOf(instance) as unknown);
  for (const value of [...intrinsics, ...parts.builtins, ...parts.engine]) freezeDeep(value, everything, seen);
  for (const namespace of parts.files) freezeDeep(namespace, plainThings, seen);
  for (const namespace of parts.packages) {
    for (const exported of Object.values(namespace)) freezeDeep(exported, functions, seen);
    Object.freeze(namespace);
  }
  Object.freeze(globalThis);
}
