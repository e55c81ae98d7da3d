// Applies RFC 6902 operations to a document in place: the fold of the log's operations. The cost of an operation grows
// with its path and value, not with the document. Does not validate values; context-input.ts did when the operation was
// written. `fast-json-patch` is not used because it accepts list indices with leading zeros, adds beyond the end of a
// list, replaces and removes absent values, and has no undo.
import type { Op } from './operation.ts';
import {
  cloneJson,
  describeValue,
  equalJson,
  indexOfToken,
  type Json,
  JsonFault,
  type List,
  type Members,
  quotePointer,
  unescapeToken,
  type Value,
} from './json.ts';
import { insertItem, removeItem, removeMember, setItem, setMember, type Undo } from './json-edit.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

/** A document, stored as the member `''`, so that the pointer `''` addresses it like any other member. */
export type Holder = { '': Value };

export function holderOf(document: Json): Holder {
  return { '': cloneJson(document) };
}

/** For operations that were parsed for one document only: their values become part of the document without a copy. */
export function asItIs(value: Json): Value {
  return value as Value;
}

/**
 * Applies recorded operations. A failure leaves the document half patched. `own` turns an operation's value into one
 * that the document may keep; pass `asItIs` for operations that were parsed for this call only.
 * @throws CONTEXT_PATCH_INVALID
 */
export function applyAll(holder: Holder, ops: readonly Op[], own: (value: Json) => Value = cloneJson): void {
  for (let index = 0; index < ops.length; index += 1) {
    try {
      applyOp(holder, ops[index] as Op, undefined, own);
    } catch (cause) {
      throw refusal(cause, index, ops[index], 'The recorded patch does not fit the document it is applied to.');
    }
  }
}

/** The coded error for a fault of operation `index`. Any other error is returned unchanged. */
export function refusal(cause: unknown, index: number, op: unknown, advice: string): unknown {
  if (!(cause instanceof JsonFault)) return cause;
  const { op: verb, path } = (typeof op === 'object' && op !== null ? op : {}) as { op?: unknown; path?: unknown };
  const which =
    typeof verb === 'string' ? ` (${verb}${typeof path === 'string' ? ` ${JSON.stringify(path)}` : ''})` : '';
  return new RuntimeError(
    'CONTEXT_PATCH_INVALID',
    `Context patch, operation ${index}${which}: ${cause.message}. ${advice}`,
    {
      cause,
    },
  );
}

/**
 * Applies one operation. The document gets its own copy of the value. Returns the overwritten or removed value itself
 * (not a copy); undefined when there was none.
 * @throws JsonFault before the first write. `move` may throw after it removed its source; `undo` restores the source.
 */
export function applyOp(
  holder: Holder,
  op: Op,
  undo?: Undo,
  own: (value: Json) => Value = cloneJson,
): Value | undefined {
  switch (op.op) {
    case 'add':
      return put(holder, op.path, own(op.value), undo);
    case 'replace':
      return replace(holder, op.path, own(op.value), undo);
    case 'remove':
      return remove(holder, op.path, undo);
    case 'test': {
      const found = valueAt(holder, op.path);
      if (found !== undefined && equalJson(found, op.value)) return undefined;
      throw new JsonFault(op.path, describeValue(found), `${describeValue(op.value)} (the tested value)`);
    }
    case 'move':
      return move(holder, op.from, op.path, undo);
    case 'copy':
      return put(holder, op.path, cloneJson(present(holder, op.from)), undo);
    default:
      op satisfies never;
      throw new JsonFault(null, `the operation ${JSON.stringify((op as { op?: unknown }).op)}`, 'one of RFC 6902');
  }
}

/** The value at `pointer`; undefined when there is none. It belongs to the document: do not keep or write it. */
export function valueAt(holder: Holder, pointer: string): Value | undefined {
  let node: Value | undefined = holder;
  for (let start = 0; start <= pointer.length; ) {
    const stop = pointer.indexOf('/', start);
    const end = stop === -1 ? pointer.length : stop;
    node = child(node, pointer.slice(start, end));
    if (node === undefined) return undefined;
    start = end + 1;
  }
  return node;
}

function child(node: Value, escaped: string): Value | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  const token = unescapeToken(escaped);
  if (Array.isArray(node)) return node[indexOfToken(token)];
  return Object.hasOwn(node, token) ? node[token] : undefined;
}

function present(holder: Holder, pointer: string): Value {
  const value = valueAt(holder, pointer);
  if (value === undefined) throw new JsonFault(pointer, 'nothing', 'a value');
  return value;
}

/** The object or list that contains, or would contain, the value at `path`. */
function parentOf(holder: Holder, path: string): Members | List {
  const end = path.lastIndexOf('/');
  if (end === -1) return holder;
  let node: Value = holder;
  for (let start = 0; start <= end; ) {
    const stop = path.indexOf('/', start);
    const next = child(node, path.slice(start, stop));
    if (next === undefined) throw new JsonFault(path.slice(0, stop), 'nothing', 'an object or a list');
    node = next;
    start = stop + 1;
  }
  if (typeof node === 'object' && node !== null) return node;
  throw new JsonFault(path.slice(0, end), describeValue(node), 'an object or a list');
}

function lastToken(path: string): string {
  return unescapeToken(path.slice(path.lastIndexOf('/') + 1));
}

function itemIndex(list: List, token: string, path: string): number {
  const index = indexOfToken(token);
  if (index >= 0 && index < list.length) return index;
  throw new JsonFault(path, 'nothing', `an item of a list of ${list.length}`);
}

function put(holder: Holder, path: string, value: Value, undo?: Undo): Value | undefined {
  const parent = parentOf(holder, path);
  const token = lastToken(path);
  if (!Array.isArray(parent)) return setMember(parent, token, value, undo);
  const index = token === '-' ? parent.length : indexOfToken(token);
  if (index < 0 || index > parent.length) {
    throw new JsonFault(path, `a list of ${parent.length}`, `an index from 0 to ${parent.length}, or "-" for its end`);
  }
  insertItem(parent, index, value, undo);
  return undefined;
}

function replace(holder: Holder, path: string, value: Value, undo?: Undo): Value {
  const parent = parentOf(holder, path);
  const token = lastToken(path);
  if (Array.isArray(parent)) return setItem(parent, itemIndex(parent, token, path), value, undo);
  if (!Object.hasOwn(parent, token)) throw new JsonFault(path, 'nothing', 'a value to replace');
  return setMember(parent, token, value, undo) as Value;
}

function remove(holder: Holder, path: string, undo?: Undo): Value {
  if (path === '') throw new JsonFault(path, 'a removal', 'a path inside it, or replace');
  const parent = parentOf(holder, path);
  const token = lastToken(path);
  if (Array.isArray(parent)) return removeItem(parent, itemIndex(parent, token, path), undo);
  if (!Object.hasOwn(parent, token)) throw new JsonFault(path, 'nothing', 'a value to remove');
  return removeMember(parent, token, undo);
}

function move(holder: Holder, from: string, path: string, undo?: Undo): Value | undefined {
  const value = present(holder, from);
  if (from === path) return undefined;
  if (path.startsWith(`${from}/`)) {
    throw new JsonFault(path, `a place inside ${quotePointer(from)}`, 'a place outside of the moved value');
  }
  remove(holder, from, undo);
  return put(holder, path, value, undo);
}
