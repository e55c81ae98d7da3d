// Decoded values as JSON text for people. Values that JSON cannot hold are shown in the nearest form. Never used for
// storing.
import { failureInfo } from '../../runtime/core/failure/failure-info.ts';

export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, viewOf, indent) ?? 'null';
}

function viewOf(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return failureInfo(value);
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value];
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  return value;
}
