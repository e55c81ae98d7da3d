// Finds the value that made encoding fail, and its path. Slow, and only runs after a failure. Encodes nothing.
import { kindOf, tagOf } from './value-kind.ts';

export interface Unserialisable {
  /** Path from `$`, the encoded value: `$.items[3].socket`. */
  readonly path: string;
  readonly reason: string;
  /** The error that reading the value threw. */
  readonly cause?: unknown;
}

/** `$.items` and `name` → `$.items.name`. */
export function propertyPath(path: string, key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

function shortened(path: string): string {
  return path.length > 200 ? `${path.slice(0, 100)} … ${path.slice(-80)}` : path;
}

function* children(value: object, path: string): Generator<[path: string, read: () => unknown]> {
  const kind = kindOf(value);
  switch (kind) {
    case 'array': {
      const array = value as readonly unknown[];
      for (let index = 0; index < array.length; index += 1) yield [`${path}[${index}]`, () => array[index]];
      return;
    }
    case 'map': {
      let index = 0;
      for (const [key, item] of Map.prototype.entries.call(value)) {
        yield [`${path}.keys()[${index}]`, () => key];
        yield [
          typeof key === 'string' ? `${path}.get(${JSON.stringify(key)})` : `${path}.values()[${index}]`,
          () => item,
        ];
        index += 1;
      }
      return;
    }
    case 'set': {
      let index = 0;
      for (const item of Set.prototype.values.call(value)) {
        yield [`${path}.values()[${index}]`, () => item];
        index += 1;
      }
      return;
    }
    case 'json':
      yield [`${path}.toJSON()`, () => (value as { toJSON(key: string): unknown }).toJSON('')];
      return;
    case 'error':
      for (const key of ['name', 'message', 'stack', 'cause'] as const) {
        yield [`${path}.${key}`, () => (value as Error)[key]];
      }
      return;
    case 'object':
      for (const key of Object.keys(value)) {
        yield [propertyPath(path, key), () => (value as Record<string, unknown>)[key]];
      }
      return;
    case 'bytes':
    case 'date':
    case 'boxed':
    case 'refused':
      return;
    default:
      kind satisfies never;
  }
}

/** The first value in depth-first order that cannot be encoded; undefined when there is none. */
export function findUnserialisable(root: unknown, depthMax: number): Unserialisable | undefined {
  const ancestors = new Map<object, string>();

  function inside(value: object, path: string): Unserialisable | undefined {
    if (kindOf(value) === 'refused') return { path, reason: `${tagOf(value)} has no serialised form` };
    const above = ancestors.get(value);
    if (above !== undefined) return { path, reason: `a cyclic reference to ${above}` };
    ancestors.set(value, path);
    for (const [childPath, read] of children(value, path)) {
      const found = visit(childPath, read);
      if (found !== undefined) return found;
    }
    ancestors.delete(value);
    return undefined;
  }

  function visit(path: string, read: () => unknown): Unserialisable | undefined {
    try {
      const value = read();
      if (ancestors.size >= depthMax) return { path: shortened(path), reason: `nested deeper than ${depthMax}` };
      if (typeof value === 'function' || typeof value === 'symbol') return { path, reason: `a ${typeof value}` };
      return typeof value === 'object' && value !== null ? inside(value, path) : undefined;
    } catch (cause) {
      return { path, reason: 'reading it threw an error', cause };
    }
  }

  return visit('$', () => root);
}
