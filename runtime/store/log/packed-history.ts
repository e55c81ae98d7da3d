// Pages of a history in the form in which Postgres sends them. One thread reads them and another one decodes them, so
// that the thread that replays a run spends no time on reading. Bytes pass between threads without a copy.
import type { HistoryEvent } from '../../core/log/event.ts';
import type { HistoryRange } from '../../core/log/history-source.ts';
import type { LineSegment } from '../../core/log/line.ts';
import { CopyOut, RowReader } from '../codec/copy-out.ts';
import type { Database } from '../sql/database.ts';
import { withSession } from '../sql/transaction.ts';
import { historyColumns, pageEvents, readEvent } from './history.ts';
import { checkedRunId } from './line.ts';

const lengthBytes = 4;

/** Rows of one page, each behind its length. */
class PackedRows {
  #bytes = Buffer.allocUnsafeSlow(256 * 1024);
  #length = 0;

  add(row: Buffer): void {
    const end = this.#length + lengthBytes + row.length;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    this.#bytes.writeInt32BE(row.length, this.#length);
    row.copy(this.#bytes, this.#length + lengthBytes);
    this.#length = end;
  }

  /** Owns its memory, so that it can be transferred. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.buffer, 0, this.#length);
  }
}

/** Reads the next page while the caller uses the present one. */
export async function* readPacked(
  database: Database,
  line: readonly LineSegment[],
  { after = 0, upTo = Number.POSITIVE_INFINITY, arguments: args = 'none' }: HistoryRange,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const read = async ({ runId, first, last }: LineSegment): Promise<Uint8Array<ArrayBuffer>> => {
    const rows = new PackedRows();
    const where = `run_id = '${checkedRunId(runId)}' and seq between ${Math.trunc(first)} and ${Math.trunc(last)}`;
    const query = `select ${historyColumns[args]} from ${database.schema}.events where ${where} order by seq`;
    await withSession(database.pool, (client) => CopyOut.run(client, query, (row) => rows.add(row.rest())));
    return rows.bytes;
  };
  let next: Promise<Uint8Array<ArrayBuffer>> | undefined;
  for (const part of partsOf(line, after, upTo)) {
    const present = next;
    next = read(part);
    next.catch(() => undefined); // no unhandled rejection if the caller stops early; awaiting it still throws
    if (present !== undefined) yield await present;
  }
  if (next !== undefined) yield await next;
}

/** The segments of a line, cut into pages. */
function* partsOf(line: readonly LineSegment[], after: number, upTo: number): Generator<LineSegment> {
  for (const { runId, first, last } of line) {
    const end = Math.min(last, upTo);
    for (let from = Math.max(first, after + 1); from <= end; from += pageEvents) {
      yield { runId, first: from, last: Math.min(from + pageEvents - 1, end) };
    }
  }
}

const row = new RowReader();

/** The events of a page that `readPacked` has read. */
export function unpackEvents(page: Uint8Array): HistoryEvent[] {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  const events: HistoryEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readInt32BE(at);
    row.load(bytes, at + lengthBytes);
    events.push(readEvent(row));
    at += lengthBytes + length;
  }
  return events;
}
