// Tells values that JSON gives back just as they are. For them it takes a third of msgpack's time, and SQL can read them.
import { kindOf } from './value-kind.ts';

/** False for what JSON changes, or may change, and below `depth` levels. Reads getters. */
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
      // An array has its toJSON asked by JSON alone. By index, to see holes.
      for (let i = 0; i < (object as unknown[]).length; i++) {
        if (!isPlainJson((object as unknown[])[i], depth)) return false;
      }
      return !('toJSON' in object);
    case 'object':
      for (const key of Object.keys(object)) {
        const member = (object as Record<string, unknown>)[key];
        // JSON leaves it out, as msgpack does here.
        if (member !== undefined && !isPlainJson(member, depth)) return false;
      }
      return true;
    default:
      return false;
  }
}
