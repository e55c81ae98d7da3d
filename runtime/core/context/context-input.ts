// Checks and copies the context patches that users pass: RFC 6902 operations and CEMAF's four verbs. Lowers the verbs
// to RFC 6902 against the current document. Never writes the document.
import {
  copyJson,
  depthMax,
  describeValue,
  equalJson,
  escapeToken,
  formatPointer,
  indexOfToken,
  type Json,
  JsonFault,
  type Members,
  parsePointer,
  prototypeKey,
  type Value,
} from '../json/json.ts';
import { type Holder, valueAt } from '../json/json-patch.ts';
import type { Op } from '../json/operation.ts';

/**
 * `set`: `add` or `replace`, after adding missing parent objects. `delete`: `remove`, or nothing when the value is
 * absent. `append`: `add` at the end of an existing list. `merge`: the fewest `add`, `replace` and `remove` that RFC
 * 7396 needs. The log never holds these verbs. `prev` of a passed Op is ignored, because the engine computes `prev`.
 */
export type InputOp =
  | Op
  | {
      readonly op: 'set' | 'merge' | 'append';
      readonly path: string;
      readonly value: Json;
      readonly confidence?: number;
    }
  | { readonly op: 'delete'; readonly path: string; readonly confidence?: number };

const parts: Readonly<Record<InputOp['op'], readonly ('from' | 'value')[]>> = {
  add: ['value'],
  replace: ['value'],
  remove: [],
  test: ['value'],
  move: ['from'],
  copy: ['from'],
  set: ['value'],
  delete: [],
  append: ['value'],
  merge: ['value'],
};

/**
 * A checked copy that shares nothing with `input`. Members that the operation does not define are dropped.
 * @throws JsonFault
 */
export function readOp(input: unknown): InputOp {
  if (typeof input !== 'object' || input === null) {
    throw new JsonFault(null, describeValue(input), 'an operation: { op, path, … }');
  }
  const given = input as Partial<Record<'op' | 'path' | 'from' | 'value' | 'confidence', unknown>>;
  const op = given.op;
  if (typeof op !== 'string' || !Object.hasOwn(parts, op)) {
    throw new JsonFault(null, `${describeValue(op)} as op`, `one of ${Object.keys(parts).join(', ')}`);
  }
  const read: Record<string, unknown> = { op };
  const needed = parts[op as InputOp['op']];
  if (needed.includes('from')) read.from = readPointer(given.from, 'from');
  const path = readPointer(given.path, 'path');
  read.path = path;
  if (needed.includes('value')) {
    const value = given.value;
    if (value === undefined) throw new JsonFault(path, 'undefined', 'a JSON value (to remove a value, use remove)');
    read.value = copyAt(value, path);
  }
  const confidence = given.confidence;
  if (confidence !== undefined) {
    if (typeof confidence !== 'number' || !(confidence >= 0 && confidence <= 1)) {
      throw new JsonFault(null, `${describeValue(confidence)} as confidence`, 'a number from 0 to 1');
    }
    read.confidence = confidence + 0;
  }
  return read as InputOp;
}

function readPointer(pointer: unknown, part: string): string {
  if (typeof pointer !== 'string') throw new JsonFault(null, `${describeValue(pointer)} as ${part}`, 'a JSON Pointer');
  const keys = parsePointer(pointer);
  if (keys.length > depthMax) {
    throw new JsonFault(null, `a path of ${keys.length} keys`, `at most ${depthMax} levels in total`);
  }
  if (keys.includes(prototypeKey)) throw new JsonFault(pointer, `the key ${prototypeKey} in ${part}`, 'another key');
  return pointer;
}

/**
 * A checked copy of the value for `path`. Faults name the place in the document where the value would be.
 * @throws JsonFault
 */
export function copyAt(value: unknown, path: string): Value {
  try {
    return copyJson(value, depthMax - (path.split('/').length - 1));
  } catch (cause) {
    if (!(cause instanceof JsonFault)) throw cause;
    throw new JsonFault(`${path}${cause.pointer ?? ''}`, cause.found, cause.expected);
  }
}

/** Lowers `op` to RFC 6902 operations against the current document. @throws JsonFault */
export function lowerOp(holder: Holder, op: InputOp): Op[] {
  switch (op.op) {
    case 'set':
      return set(holder, op.path, op.value, op);
    case 'delete':
      return isPresent(holder, op.path) ? [{ op: 'remove', path: op.path, ...confidenceOf(op) }] : [];
    case 'append': {
      const list = valueAt(holder, op.path);
      if (!Array.isArray(list)) throw new JsonFault(op.path, describeValue(list), 'a list to append to');
      return [{ op: 'add', path: `${op.path}/-`, value: op.value, ...confidenceOf(op) }];
    }
    case 'merge': {
      const target = valueAt(holder, op.path);
      if (isMembers(target) && isMembers(op.value)) return merge(target, op.value, op.path, confidenceOf(op));
      const value = withoutNulls(op.value);
      return target !== undefined && equalJson(target, value) ? [] : set(holder, op.path, value, op);
    }
    default:
      return [op];
  }
}

function confidenceOf(op: InputOp): { confidence?: number } {
  return op.confidence === undefined ? {} : { confidence: op.confidence };
}

function isMembers(value: Json | undefined): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPresent(holder: Holder, path: string): boolean {
  return valueAt(holder, path) !== undefined;
}

function set(holder: Holder, path: string, value: Json, notes: InputOp): Op[] {
  const confidence = confidenceOf(notes);
  if (isPresent(holder, path)) return [{ op: 'replace', path, value, ...confidence }];
  const tokens = parsePointer(path);
  const ops: Op[] = [];
  let node: Value | undefined = holder[''];
  for (const [depth, token] of tokens.entries()) {
    const here = formatPointer(tokens.slice(0, depth));
    const isLast = depth === tokens.length - 1;
    if (Array.isArray(node)) {
      const isEnd = token === '-' || indexOfToken(token) === node.length;
      node = node[indexOfToken(token)];
      if (node === undefined && !(isLast && isEnd)) {
        throw new JsonFault(
          `${here}/${escapeToken(token)}`,
          'no such item in a list',
          'an existing item: set does not add missing items of a list',
        );
      }
    } else if (isMembers(node)) {
      node = Object.hasOwn(node, token) ? node[token] : undefined;
    } else if (node !== undefined) {
      throw new JsonFault(here, describeValue(node), 'an object or a list');
    }
    if (node === undefined && !isLast)
      ops.push({ op: 'add', path: `${here}/${escapeToken(token)}`, value: {}, ...confidence });
  }
  ops.push({ op: 'add', path, value, ...confidence });
  return ops;
}

/** RFC 7396 section 2, on two objects. */
function merge(target: Members, patch: Members, path: string, confidence: { confidence?: number }): Op[] {
  return Object.entries(patch).flatMap(([key, value]): Op[] => {
    const here = `${path}/${escapeToken(key)}`;
    const old = Object.hasOwn(target, key) ? target[key] : undefined;
    if (value === null) return old === undefined ? [] : [{ op: 'remove', path: here, ...confidence }];
    if (old === undefined) return [{ op: 'add', path: here, value: withoutNulls(value), ...confidence }];
    if (isMembers(old) && isMembers(value)) return merge(old, value, here, confidence);
    const next = withoutNulls(value);
    return equalJson(old, next) ? [] : [{ op: 'replace', path: here, value: next, ...confidence }];
  });
}

/** The result of an RFC 7396 patch on an absent value: null members are dropped, lists stay as they are. */
function withoutNulls(patch: Json): Json {
  if (!isMembers(patch)) return patch;
  return Object.fromEntries(
    Object.entries(patch)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, withoutNulls(value)]),
  );
}
