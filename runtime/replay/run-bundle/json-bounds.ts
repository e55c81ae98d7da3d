// Bounds on JSON from outside: of texts before they are parsed, and of values that grew by operations. Pure; without
// recursion, because the input may be made to break its reader.
import type { Json } from '../../core/json/json.ts';

/** Nesting and number of values in a JSON text. Reads only the structure: a text that is not JSON gets some answer. */
export function jsonTextBounds(text: string): { depth: number; values: number } {
  let depth = 0;
  let deepest = 0;
  let values = 1;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = endOfString(text, i + 1);
        break;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        depth++;
        if (depth > deepest) deepest = depth;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        values++;
        break;
      default:
    }
  }
  return { depth: deepest, values };
}

/** The place of the closing quote; the end of the text when there is none. */
function endOfString(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x22) return i;
    if (unit === 0x5c) i++;
  }
  return text.length;
}

const valueBytes = 32;

/**
 * About how many bytes of memory a value takes, and its nesting. Stops as soon as it exceeds `bytesMax`, so the cost is
 * bounded even for a value that is far too large.
 */
export function jsonBounds(value: Json, bytesMax: number): { bytes: number; depth: number } {
  let bytes = 0;
  let deepest = 0;
  const stack: { value: Json; depth: number }[] = [{ value, depth: 1 }];
  for (let top = stack.pop(); top !== undefined && bytes <= bytesMax; top = stack.pop()) {
    const { value: node, depth } = top;
    bytes += valueBytes;
    if (typeof node === 'string') bytes += 2 * node.length;
    if (typeof node !== 'object' || node === null) continue;
    if (depth > deepest) deepest = depth;
    if (Array.isArray(node)) {
      for (const item of node as readonly Json[]) stack.push({ value: item, depth: depth + 1 });
      continue;
    }
    for (const [key, member] of Object.entries(node)) {
      bytes += 2 * key.length;
      stack.push({ value: member, depth: depth + 1 });
    }
  }
  return { bytes, depth: deepest };
}
