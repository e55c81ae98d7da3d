// Marks error classes with symbols that all copies of this package share, so `instanceof` holds between sandbox and
// host, and between two versions in one process.

type ErrorClass = abstract new (...args: never[]) => Error;

/** Undefined for a value that cannot be inspected, such as a thrown revoked proxy. */
function markerOf(value: object, marker: symbol): unknown {
  try {
    return (value as Record<symbol, unknown>)[marker];
  } catch {
    return undefined;
  }
}

function symbolOf(name: string): symbol {
  return Symbol.for(`reprise.failure.${name}`);
}

/** A user's subclass has no marker of its own; `instanceof` finds it by its prototype, as usual. */
export function mark(errorClass: ErrorClass, name: string): void {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, writable: true, configurable: true });
  markAs(errorClass, name);
  const marker = symbolOf(name);
  Object.defineProperty(errorClass, Symbol.hasInstance, {
    value(this: ErrorClass, value: unknown): boolean {
      if (typeof value !== 'object' || value === null) return false;
      if (this !== errorClass) return Object.prototype.isPrototypeOf.call(this.prototype, value);
      return markerOf(value, marker) === true;
    },
  });
}

/** Makes `instanceof` of the class marked `name` hold for errors of this class too. */
export function markAs({ prototype }: ErrorClass, name: string): void {
  Object.defineProperty(prototype, symbolOf(name), { value: true });
}
