// Postgres arrays in binary form: a `Buffer` parameter with a cast is sent as it is, so the server parses no text.
// Source: array_recv of Postgres' src/backend/utils/adt/arrayfuncs.c.

const oid = { uuid: 2950, timestamptz: 1184, int4: 23, int2: 21, text: 25, json: 114, bytea: 17 } as const;
const headerBytes = 20;
/** A buffer that has grown beyond this is dropped after use. */
const keptBytes = 1024 * 1024;
/** Postgres counts time from 2000-01-01, and we count from 1970-01-01. The difference in µs. */
const postgresEpoch = 946_684_800_000_000;

/** A growing buffer of values, each preceded by its length. */
class ValueBytes {
  buffer: Buffer = Buffer.allocUnsafe(1024);
  offset = headerBytes;

  null(): void {
    this.reserve(4);
    this.offset = this.buffer.writeInt32BE(-1, this.offset);
  }

  int4(value: number): void {
    this.reserve(8);
    this.offset = this.buffer.writeInt32BE(4, this.offset);
    this.offset = this.buffer.writeInt32BE(value, this.offset);
  }

  int2(value: number): void {
    this.reserve(6);
    this.offset = this.buffer.writeInt32BE(2, this.offset);
    this.offset = this.buffer.writeInt16BE(value, this.offset);
  }

  timestamp(micros: number): void {
    this.reserve(12);
    this.offset = this.buffer.writeInt32BE(8, this.offset);
    const value = micros - postgresEpoch;
    const high = Math.floor(value / 0x1_0000_0000);
    this.offset = this.buffer.writeInt32BE(high, this.offset);
    this.offset = this.buffer.writeUInt32BE(value - high * 0x1_0000_0000, this.offset);
  }

  bytes(value: Uint8Array): void {
    this.reserve(4 + value.byteLength);
    this.offset = this.buffer.writeInt32BE(value.byteLength, this.offset);
    this.buffer.set(value, this.offset);
    this.offset += value.byteLength;
  }

  text(value: string): void {
    this.reserve(4 + value.length * 3);
    const written = this.buffer.write(value, this.offset + 4, 'utf8');
    this.buffer.writeInt32BE(written, this.offset);
    this.offset += 4 + written;
  }

  reserve(bytes: number): void {
    const needed = this.offset + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.offset);
    this.buffer = grown;
  }

  /** Writes the array's header and starts a new array. The returned bytes are valid until the next write. */
  takeArray(elementType: number, count: number, hasNull: boolean): Buffer {
    const b = this.buffer;
    b.writeInt32BE(count === 0 ? 0 : 1, 0);
    b.writeInt32BE(hasNull ? 1 : 0, 4);
    b.writeInt32BE(elementType, 8);
    b.writeInt32BE(count, 12);
    b.writeInt32BE(1, 16);
    const taken = b.subarray(0, count === 0 ? 12 : this.offset);
    // Free the memory of an unusually large array.
    if (b.length > keptBytes) this.buffer = Buffer.allocUnsafe(1024);
    this.offset = headerBytes;
    return taken;
  }
}

/** Collects one column of many rows. `take()` returns the array and makes the column empty again. */
export class ColumnEncoder {
  readonly #type: keyof typeof oid;
  readonly #bytes = new ValueBytes();
  #count = 0;
  #hasNull = false;

  constructor(type: keyof typeof oid) {
    this.#type = type;
  }

  null(): void {
    this.#bytes.null();
    this.#count++;
    this.#hasNull = true;
  }

  int4(value: number | null): void {
    if (value === null) return this.null();
    this.#bytes.int4(value);
    this.#count++;
  }

  int2(value: number | null): void {
    if (value === null) return this.null();
    this.#bytes.int2(value);
    this.#count++;
  }

  /** µs since 1970. */
  timestamp(micros: number): void {
    this.#bytes.timestamp(micros);
    this.#count++;
  }

  bytes(value: Uint8Array | null): void {
    if (value === null) return this.null();
    this.#bytes.bytes(value);
    this.#count++;
  }

  text(value: string | null): void {
    if (value === null) return this.null();
    this.#bytes.text(value);
    this.#count++;
  }

  /** The array so far. The bytes are valid until the next write to this column. */
  take(): Buffer {
    const taken = this.#bytes.takeArray(oid[this.#type], this.#count, this.#hasNull);
    this.#count = 0;
    this.#hasNull = false;
    return taken;
  }
}

/** Collects rows of a composite type, field by field in the type's order. Source: record_recv of Postgres' rowtypes.c. */
export class RowEncoder {
  readonly #type: number;
  readonly #fields: number;
  readonly #bytes = new ValueBytes();
  #count = 0;
  #rowAt = 0;

  /** `type`: oid of the composite type in this database. */
  constructor(type: number, fields: number) {
    this.#type = type;
    this.#fields = fields;
  }

  beginRow(): void {
    this.#bytes.reserve(8);
    this.#rowAt = this.#bytes.offset;
    this.#bytes.offset = this.#bytes.buffer.writeInt32BE(this.#fields, this.#rowAt + 4);
  }

  endRow(): void {
    this.#bytes.buffer.writeInt32BE(this.#bytes.offset - this.#rowAt - 4, this.#rowAt);
    this.#count++;
  }

  int4(value: number | null): void {
    this.#field(oid.int4);
    if (value === null) this.#bytes.null();
    else this.#bytes.int4(value);
  }

  int2(value: number | null): void {
    this.#field(oid.int2);
    if (value === null) this.#bytes.null();
    else this.#bytes.int2(value);
  }

  /** µs since 1970. */
  timestamp(micros: number): void {
    this.#field(oid.timestamptz);
    this.#bytes.timestamp(micros);
  }

  bytes(type: 'uuid' | 'bytea', value: Uint8Array | null): void {
    this.#field(oid[type]);
    if (value === null) this.#bytes.null();
    else this.#bytes.bytes(value);
  }

  text(type: 'text' | 'json', value: string | null): void {
    this.#field(oid[type]);
    if (value === null) this.#bytes.null();
    else this.#bytes.text(value);
  }

  /** The array so far. The bytes are valid until the next row. */
  take(): Buffer {
    const taken = this.#bytes.takeArray(this.#type, this.#count, false);
    this.#count = 0;
    return taken;
  }

  #field(type: number): void {
    this.#bytes.reserve(4);
    this.#bytes.offset = this.#bytes.buffer.writeInt32BE(type, this.#bytes.offset);
  }
}

/** A one-column array in one call, for statements off the hot path. */
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
