// Encodes events for the log as one array of reprise.new_event, which a statement unnests.
import type pg from 'pg';
import { eventCode, type HistoryEvent } from '../../core/log/event.ts';
import { RowEncoder } from './pg-binary.ts';

/** Columns of the log, in the order of reprise.new_event. */
export const eventColumns =
  'run_id, at, seq, answers, type, attempt, name, source, source_id, reason, correlation_id, ops, payload, meta, hash';

export class EventRows {
  readonly #rows: RowEncoder;

  private constructor(rows: RowEncoder) {
    this.#rows = rows;
  }

  /** Looks up the oid of reprise.new_event. */
  static async open(client: pg.ClientBase, schema: string): Promise<EventRows> {
    const { rows } = await client.query<{ type: string }>(`select '${schema}.new_event'::regtype::oid::text as type`);
    return new EventRows(new RowEncoder(Number(rows[0]!.type), 15));
  }

  add(runKey: Uint8Array, event: HistoryEvent): void {
    const row = this.#rows;
    row.beginRow();
    row.bytes('uuid', runKey);
    row.timestamp(event.at);
    row.int4(event.seq);
    row.int4(event.answers);
    row.int2(eventCode[event.type]);
    row.int2(event.attempt);
    row.text('text', event.name);
    row.text('text', event.source);
    row.text('text', event.sourceId);
    row.text('text', event.reason);
    row.text('text', event.correlationId);
    row.text('json', event.ops);
    row.bytes('bytea', event.payload);
    row.text('json', event.meta);
    row.bytes('bytea', event.hash);
    row.endRow();
  }

  /** Returns the array and starts a new one. The bytes are valid until the next event. */
  take(): Buffer {
    return this.#rows.take();
  }
}
