// The only writers of a context document. Each function writes one place and records how to undo the write. The
// functions check nothing. An undo restores values and list order.
import { type List, type Members, putMember, type Value } from './json.ts';

/**
 * Undo steps, oldest first. Absent when a failure discards the document. Without `keepsOrder`, a removed member comes
 * back as the last one. With it, it comes back at its place, and each removal reads all keys of its object.
 */
export type Undo = (() => void)[] & { keepsOrder?: true };

export function rollBack(undo: Undo): void {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) step();
}

/** Returns the previous value; undefined when there was none. */
export function setMember(members: Members, key: string, value: Value, undo?: Undo): Value | undefined {
  if (!Object.hasOwn(members, key)) {
    putMember(members, key, value);
    undo?.push(() => void delete members[key]);
    return undefined;
  }
  const old = members[key] as Value;
  members[key] = value;
  undo?.push(() => {
    members[key] = old;
  });
  return old;
}

export function removeMember(members: Members, key: string, undo?: Undo): Value {
  const old = members[key] as Value;
  const keys = undo?.keepsOrder === true ? Object.keys(members) : [];
  delete members[key];
  undo?.push(() => {
    putMember(members, key, old);
    for (const later of keys.slice(keys.indexOf(key) + 1)) moveToEnd(members, later);
  });
  return old;
}

function moveToEnd(members: Members, key: string): void {
  const value = members[key] as Value;
  delete members[key];
  putMember(members, key, value);
}

export function setItem(list: List, index: number, value: Value, undo?: Undo): Value {
  const old = list[index] as Value;
  list[index] = value;
  undo?.push(() => {
    list[index] = old;
  });
  return old;
}

export function insertItem(list: List, index: number, value: Value, undo?: Undo): void {
  if (index === list.length) list.push(value);
  else list.splice(index, 0, value);
  undo?.push(() => void list.splice(index, 1));
}

export function removeItem(list: List, index: number, undo?: Undo): Value {
  const old = list[index] as Value;
  if (index === list.length - 1) list.pop();
  else list.splice(index, 1);
  undo?.push(() => void list.splice(index, 0, old));
  return old;
}
