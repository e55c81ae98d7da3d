// Computes `prev`, the old value in a logged operation, so that the old value can be read without a replay. Large
// values are left out: copying or hashing them costs time in proportion to their size.
import { cloneJson, type Json, type Value } from '../json/json.ts';

const prevBytesMax = 1024;
const encoder = new TextEncoder();

/** A copy of `old` when its JSON text has at most 1 kB (UTF-8), else undefined. Reads at most about 1 kB of `old`. */
export function prevOf(old: Value): Json | undefined {
  if (typeof old !== 'object' || old === null) {
    if (typeof old !== 'string' || old.length < prevBytesMax / 6) return old;
  }
  if (bytesLeft(old, prevBytesMax) < 0 || encoder.encode(JSON.stringify(old)).length > prevBytesMax) return undefined;
  return cloneJson(old);
}

/** `budget` minus the minimum number of bytes in the JSON text of `value`. Stops below zero. */
function bytesLeft(value: Value, budget: number): number {
  if (typeof value === 'string') return budget - value.length - 2;
  if (typeof value !== 'object' || value === null) return budget - 1;
  // Brackets, and a comma between items.
  let left = budget - 2;
  if (Array.isArray(value)) {
    left -= Math.max(0, value.length - 1);
    for (let index = 0; index < value.length && left >= 0; index += 1) left = bytesLeft(value[index] as Value, left);
    return left;
  }
  for (const key of Object.keys(value)) {
    left = bytesLeft(value[key] as Value, left - key.length - 4);
    if (left < 0) break;
  }
  return left;
}
