// The log of a run in the database, as a replay reads it. Writes nothing.
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import type { HistoryRange, HistorySource, RecordedOps } from '../../core/log/history-source.ts';
import { lineUpTo, type LineSegment } from '../../core/log/line.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { EventAddress, NamedPoints } from '../../core/recovery/event-address.ts';
import { findNamed } from '../checkpoints/named-checkpoints.ts';
import { readRecordedBundle } from '../runs/recorded-bundle.ts';
import type { Database } from '../sql/database.ts';
import { timeOf } from '../sql/sql-text.ts';
import { findEvent } from './find-event.ts';
import { readPacked } from './packed-history.ts';
import { readHistory, readPatchOps } from './history.ts';
import { readLine, rowsOf } from './line.ts';

const replayColumns = { none: true, digest: 'digests', whole: false } as const;

interface HeadRow {
  workflow_id: string;
  workflow_type: string;
  status: RunStatus;
  head: number | null;
}

export class StoredHistory implements HistorySource, NamedPoints {
  readonly #database: Database;
  readonly runId: string;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly status: RunStatus;
  readonly head: number;
  readonly line: readonly LineSegment[];
  readonly bundleHash: string | undefined;

  private constructor(
    database: Database,
    runId: string,
    row: HeadRow,
    line: readonly LineSegment[],
    bundleHash: string | undefined,
  ) {
    this.#database = database;
    this.runId = runId;
    this.workflowId = row.workflow_id;
    this.workflowType = row.workflow_type;
    this.status = row.status;
    this.head = row.head ?? 0;
    this.line = lineUpTo(line, this.head);
    this.bundleHash = bundleHash;
  }

  /** @throws RUN_NOT_FOUND */
  static async open(database: Database, runId: string): Promise<StoredHistory> {
    const { pool, schema } = database;
    const { rows } = await pool.query<HeadRow>(
      `select workflow_id, workflow_type, status, (select max(seq) from ${schema}.events e where e.run_id = r.run_id) as head
       from ${schema}.runs r where run_id = $1`,
      [runId],
    );
    const row = rows[0];
    if (row === undefined) {
      throw new RuntimeError('RUN_NOT_FOUND', `There is no run ${runId}. Check the id, or list the runs.`, { runId });
    }
    return new StoredHistory(
      database,
      runId,
      row,
      await readLine(database, runId),
      await readRecordedBundle(database, runId),
    );
  }

  pages(range: HistoryRange = {}): AsyncIterable<readonly HistoryEvent[]> {
    const { after = 0, upTo = this.head, arguments: args = 'none' } = range;
    return readHistory(this.#database, this.runId, { after, upTo, forReplay: replayColumns[args] });
  }

  packedPages({ upTo = this.head, ...range }: HistoryRange = {}): AsyncIterable<Uint8Array<ArrayBuffer>> {
    return readPacked(this.#database, this.line, { ...range, upTo });
  }

  patches(upTo: number): AsyncIterable<readonly RecordedOps[]> {
    return readPatchOps(this.#database, this.runId, { upTo: Math.min(upTo, this.head) });
  }

  async seqAt(time: Micros): Promise<number> {
    const { pool, schema } = this.#database;
    // Times rise with seqs, so this reads the index backwards until the first event that is early enough.
    const { rows } = await pool.query<{ seq: number }>(
      `select seq from ${rowsOf(schema, this.line)} and at <= ${timeOf('$1')} order by seq desc limit 1`,
      [time],
    );
    return rows[0]?.seq ?? 0;
  }

  seqOfEvent(address: EventAddress): Promise<number | undefined> {
    return findEvent(this.#database, this.runId, address);
  }

  seqOfCheckpoint(name: string): Promise<number | undefined> {
    return findNamed(this.#database, this.runId, name);
  }
}
