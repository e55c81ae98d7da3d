// Detects values that JSON returns unchanged. Encoding these as JSON takes a third of msgpack's time, and SQL can read
// them.
import { kindOf } from './value-kind.ts';

/** False for values that JSON changes or may change, and for values nested deeper than `depth`. Calls getters. */
export function isPlainJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      return value === null || (depth > 0 && isPlainObject(value, depth - 1));
    default:
      return false;
  }
}

function isPlainObject(object: object, depth: number): boolean {
  switch (kindOf(object)) {
    case 'array':
      // JSON calls an array's toJSON, and msgpack does not. The loop goes by index, to find holes.
      for (let i = 0; i < (object as unknown[]).length; i++) {
        if (!isPlainJson((object as unknown[])[i], depth)) return false;
      }
      return !('toJSON' in object);
    case 'object':
      for (const key of Object.keys(object)) {
        const member = (object as Record<string, unknown>)[key];
        // JSON drops an undefined member, and so does the msgpack encoding here.
        if (member !== undefined && !isPlainJson(member, depth)) return false;
      }
      return true;
    default:
      return false;
  }
}
