// Postgres arrays in binary form: a `Buffer` parameter with a cast is sent as it is, so the server parses no text.
// Source: array_recv of Postgres' src/backend/utils/adt/arrayfuncs.c.

const oid = { uuid: 2950, timestamptz: 1184, int4: 23, int2: 21, text: 25, json: 114, bytea: 17 } as const;
const headerBytes = 20;
/** Postgres counts from 2000-01-01, we from 1970-01-01; µs. */
const postgresEpoch = 946_684_800_000_000;

/** Collects one column of many rows. `take()` returns the array and makes the column empty again. */
export class ColumnEncoder {
  readonly #type: keyof typeof oid;
  #buffer: Buffer = Buffer.allocUnsafe(1024);
  #offset = headerBytes;
  #count = 0;
  #hasNull = 0;

  constructor(type: keyof typeof oid) {
    this.#type = type;
  }

  null(): void {
    this.#reserve(4);
    this.#offset = this.#buffer.writeInt32BE(-1, this.#offset);
    this.#count++;
    this.#hasNull = 1;
  }

  int4(value: number | null): void {
    if (value === null) return this.null();
    this.#reserve(8);
    this.#offset = this.#buffer.writeInt32BE(4, this.#offset);
    this.#offset = this.#buffer.writeInt32BE(value, this.#offset);
    this.#count++;
  }

  int2(value: number | null): void {
    if (value === null) return this.null();
    this.#reserve(6);
    this.#offset = this.#buffer.writeInt32BE(2, this.#offset);
    this.#offset = this.#buffer.writeInt16BE(value, this.#offset);
    this.#count++;
  }

  /** µs since 1970. */
  timestamp(micros: number): void {
    this.#reserve(12);
    this.#offset = this.#buffer.writeInt32BE(8, this.#offset);
    const value = micros - postgresEpoch;
    const high = Math.floor(value / 0x1_0000_0000);
    this.#offset = this.#buffer.writeInt32BE(high, this.#offset);
    this.#offset = this.#buffer.writeUInt32BE(value - high * 0x1_0000_0000, this.#offset);
    this.#count++;
  }

  bytes(value: Uint8Array | null): void {
    if (value === null) return this.null();
    this.#reserve(4 + value.byteLength);
    this.#offset = this.#buffer.writeInt32BE(value.byteLength, this.#offset);
    this.#buffer.set(value, this.#offset);
    this.#offset += value.byteLength;
    this.#count++;
  }

  text(value: string | null): void {
    if (value === null) return this.null();
    this.#reserve(4 + value.length * 3);
    const written = this.#buffer.write(value, this.#offset + 4, 'utf8');
    this.#buffer.writeInt32BE(written, this.#offset);
    this.#offset += 4 + written;
    this.#count++;
  }

  /** The array so far. The bytes are valid until the next write to this column. */
  take(): Buffer {
    const b = this.#buffer;
    b.writeInt32BE(this.#count === 0 ? 0 : 1, 0);
    b.writeInt32BE(this.#hasNull, 4);
    b.writeInt32BE(oid[this.#type], 8);
    b.writeInt32BE(this.#count, 12);
    b.writeInt32BE(1, 16);
    const taken = b.subarray(0, this.#count === 0 ? 12 : this.#offset);
    this.#offset = headerBytes;
    this.#count = 0;
    this.#hasNull = 0;
    return taken;
  }

  #reserve(bytes: number): void {
    const needed = this.#offset + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#offset);
    this.#buffer = grown;
  }
}

/** One column given whole, for statements that are not on the hottest path. */
export function uuidArray(ids: readonly Uint8Array[]): Buffer {
  const column = new ColumnEncoder('uuid');
  for (const id of ids) column.bytes(id);
  return column.take();
}

export function timestampArray(values: readonly number[]): Buffer {
  const column = new ColumnEncoder('timestamptz');
  for (const value of values) column.timestamp(value);
  return column.take();
}
