// The canonical text of a JSON value (RFC 8785): equal values have equal texts, whatever the order of their members.
import type { Json } from './json.ts';

export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonicalJson).join(',')}]`;
  // The default order of `sort` is that of UTF-16 code units, as RFC 8785 requires.
  const members = Object.keys(value).sort();
  const texts = members.map((key) => `${JSON.stringify(key)}:${canonicalJson((value as Record<string, Json>)[key]!)}`);
  return `{${texts.join(',')}}`;
}
