// COPY … TO STDOUT (FORMAT binary) over a pg client. A reader receives each row as raw fields, without the driver's
// text parsing. Source of the format: Postgres manual, COPY, "Binary Format".
import type pg from 'pg';

const signatureBytes = 11;
const postgresEpochMicros = 946_684_800_000_000;

/** Reads the fields of one row in order. Valid only during the call that receives it. */
export class RowReader {
  #buffer: Buffer = Buffer.alloc(0);
  #offset = 0;

  load(buffer: Buffer, offset: number): void {
    this.#buffer = buffer;
    this.#offset = offset;
  }

  #length(): number {
    const length = this.#buffer.readInt32BE(this.#offset);
    this.#offset += 4;
    return length;
  }

  int2(): number | null {
    if (this.#length() < 0) return null;
    const value = this.#buffer.readInt16BE(this.#offset);
    this.#offset += 2;
    return value;
  }

  int4(): number | null {
    if (this.#length() < 0) return null;
    const value = this.#buffer.readInt32BE(this.#offset);
    this.#offset += 4;
    return value;
  }

  /** µs since 1970. */
  timestamp(): number | null {
    if (this.#length() < 0) return null;
    const high = this.#buffer.readInt32BE(this.#offset);
    const low = this.#buffer.readUInt32BE(this.#offset + 4);
    this.#offset += 8;
    return high * 0x1_0000_0000 + low + postgresEpochMicros;
  }

  text(): string | null {
    const length = this.#length();
    if (length < 0) return null;
    const value = this.#buffer.toString('utf8', this.#offset, this.#offset + length);
    this.#offset += length;
    return value;
  }

  /** Bytes as text, one character per byte: a cheap key to recognise values that repeat from row to row. */
  latin1(): string | null {
    const length = this.#length();
    if (length < 0) return null;
    const value = this.#buffer.toString('latin1', this.#offset, this.#offset + length);
    this.#offset += length;
    return value;
  }

  /** All fields that were not read yet, as Postgres sent them: a view that is valid only during the call. */
  rest(): Buffer {
    return this.#buffer.subarray(this.#offset);
  }

  /** A copy of the bytes, because the driver reuses its buffer. */
  bytes(): Uint8Array | null {
    const length = this.#length();
    if (length < 0) return null;
    const value = new Uint8Array(this.#buffer.subarray(this.#offset, this.#offset + length));
    this.#offset += length;
    return value;
  }
}

/** A pg "submittable": `client.query(copyOut)` sends it, and the client calls its handlers as messages arrive. */
export class CopyOut {
  readonly #text: string;
  readonly #onRow: (row: RowReader) => void;
  readonly #row = new RowReader();
  #started = false;
  #failure: Error | undefined;
  #resolve!: () => void;
  #reject!: (error: Error) => void;
  readonly done: Promise<void>;
  /** pg reads `callback` of every submittable that it queues. */
  callback: ((error: Error) => void) | undefined;

  private constructor(query: string, onRow: (row: RowReader) => void) {
    this.#text = `copy (${query}) to stdout (format binary)`;
    this.#onRow = onRow;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.callback = (error) => this.#reject(error);
  }

  /** Runs `query` (which takes no parameters) and calls `onRow` for each row, in order. */
  static run(client: pg.ClientBase, query: string, onRow: (row: RowReader) => void): Promise<void> {
    const copy = new CopyOut(query, onRow);
    client.query(copy as unknown as pg.Submittable);
    return copy.done;
  }

  submit(connection: { query(text: string): void }): void {
    connection.query(this.#text);
  }

  handleCopyData(message: { chunk: Buffer }): void {
    if (this.#failure !== undefined) return;
    const { chunk } = message;
    let offset = 0;
    if (!this.#started) {
      this.#started = true;
      offset = signatureBytes + 8 + chunk.readInt32BE(signatureBytes + 4);
    }
    if (offset >= chunk.length || chunk.readInt16BE(offset) === -1) return;
    try {
      this.#row.load(chunk, offset + 2);
      this.#onRow(this.#row);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  handleError(error: Error): void {
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#resolve();
    else this.#reject(this.#failure);
  }

  handleCommandComplete(): void {
    // The row reader counts the rows.
  }
}
