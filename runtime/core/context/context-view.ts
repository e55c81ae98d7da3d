// The read-only view of a context document: proxies over its own objects and lists. Reading copies nothing, and a view
// shows every later write. A view is bound to the value it was taken from: after that value is replaced as a whole,
// take a new view. Never returns a writable value.
import type { List, Members, Value } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

const views = new WeakMap<object, object>();

function refuse(): never {
  throw new RuntimeError(
    'READ_ONLY',
    'The state of the context is read-only. Write through patch() or update(), or change a copy.',
  );
}

const handler: ProxyHandler<Members | List> = {
  get(target, key) {
    const value: unknown = Reflect.get(target, key);
    return Object.hasOwn(target, key) ? viewOf(value as Value) : value;
  },
  getOwnPropertyDescriptor(target, key) {
    const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
    // The length of a list is the only non-configurable property. A proxy must report it unchanged.
    if (descriptor === undefined || descriptor.configurable === false) return descriptor;
    return { ...descriptor, value: viewOf(descriptor.value as Value), writable: false };
  },
  set: refuse,
  defineProperty: refuse,
  deleteProperty: refuse,
  preventExtensions: refuse,
  setPrototypeOf: refuse,
};

/** Scalars are returned as they are. Each object or list has one view, which is always the same object. */
export function viewOf(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  const known = views.get(value);
  if (known !== undefined) return known as Value;
  const view = new Proxy(value, handler);
  views.set(value, view);
  return view;
}
