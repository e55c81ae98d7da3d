// The read-only view of a context document: proxies over its own objects and lists, so reading copies nothing and a
// view shows every later write. A view belongs to the value it was taken from: when that value is replaced as a whole,
// take the view anew. Never hands out a value that could be written.
import type { List, Members, Value } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

const views = new WeakMap<object, object>();

function refuse(): never {
  throw new RuntimeError(
    'READ_ONLY',
    'The state of the context is read-only; write through patch() or update(), or work on a copy.',
  );
}

const handler: ProxyHandler<Members | List> = {
  get(target, key) {
    const value: unknown = Reflect.get(target, key);
    return Object.hasOwn(target, key) ? viewOf(value as Value) : value;
  },
  getOwnPropertyDescriptor(target, key) {
    const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
    // Only the length of a list is not configurable; it must be reported as it is.
    if (descriptor === undefined || descriptor.configurable === false) return descriptor;
    return { ...descriptor, value: viewOf(descriptor.value as Value), writable: false };
  },
  set: refuse,
  defineProperty: refuse,
  deleteProperty: refuse,
  preventExtensions: refuse,
  setPrototypeOf: refuse,
};

/** A scalar as it is; an object or list behind its view, which is the same one each time. */
export function viewOf(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  const known = views.get(value);
  if (known !== undefined) return known as Value;
  const view = new Proxy(value, handler);
  views.set(value, view);
  return view;
}
