// Options that nobody reads are refused by name: types alone do not stop them, Node strips types. Checks no values.
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';

interface OtherOptions {
  /** Of the Temporal SDK, about things that are not here and never will be. */
  readonly meaningless?: readonly string[];
  /** Accepted, and told to nobody. */
  readonly internal?: readonly string[];
}

/**
 * `unsupported` are options of the Temporal SDK that are not here yet. A key whose value is undefined was not given.
 * @throws RuntimeError INVALID_INPUT
 */
export function refuseUnknown(
  what: string,
  options: unknown,
  known: readonly string[],
  unsupported: readonly string[] = [],
  { meaningless = [], internal = [] }: OtherOptions = {},
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const got = Array.isArray(options) ? 'an array' : options === null ? 'null' : typeof options;
    throw new RuntimeError('INVALID_INPUT', `${what} needs an object of options (${known.join(', ')}), got ${got}.`);
  }
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || known.includes(key) || internal.includes(key)) continue;
    if (unsupported.includes(key)) {
      throw new RuntimeError('INVALID_INPUT', `${what}: option ${key} is not supported yet. Leave it out.`);
    }
    if (meaningless.includes(key)) {
      throw new RuntimeError('INVALID_INPUT', `${what}: option ${key} has no meaning here. Leave it out.`);
    }
    const near = nearest(key, known);
    const hint = near === undefined ? `Known options: ${known.join(', ')}.` : `Did you mean ${near}?`;
    throw new RuntimeError('INVALID_INPUT', `${what} has no option "${key}". ${hint}`);
  }
}

function nearest(key: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(key.length / 3)) ? best.name : undefined;
}

/** Letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** `value` must be one of an enum's, whose keys may have several names for one. @throws INVALID_INPUT */
export function checkOneOf(option: string, value: string, names: Readonly<Record<string, string | undefined>>): void {
  const values = new Set(Object.values(names).filter((name) => name !== undefined));
  if (values.has(value)) return;
  throw new RuntimeError(
    'INVALID_INPUT',
    `${option} is ${JSON.stringify(value)}, expected one of ${[...values].join(', ')}.`,
  );
}
