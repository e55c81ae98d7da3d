// The one statement that writes the log. In one commit it appends turns of many runs, deletes their consumed mail and
// closes runs. It never reads the log, and touches a run's row only to close the run or to change its status, memo or
// search attributes.
import type pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { closedColumns } from '../runs/closed-run.ts';
import type { PropertiesMeta } from '../../core/run/run-properties.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import type { Fence } from '../ownership/fence.ts';
import { eventColumns, EventRows } from '../codec/event-rows.ts';
import { sendNotices } from '../sql/notifier.ts';
import { ColumnEncoder } from '../codec/pg-binary.ts';
import { runIdBytes } from '../runs/run-id.ts';

/** Which other runs must learn that a run has closed. */
export interface OutboxEntry {
  /** The parent, and the seq of the event in the parent's log that started this run. */
  readonly parent: { readonly runId: string; readonly seq: number } | undefined;
  /** The run has children or messages under way. */
  readonly links: boolean;
}

export interface Turn {
  readonly runId: string;
  readonly runKey: Uint8Array;
  /** Events to insert, with time and hash. */
  readonly events: readonly HistoryEvent[];
  /** Ids of the messages that these events came from. */
  readonly consumed: readonly number[];
  /** Set when the last event closes the run. */
  readonly close?: {
    readonly status: RunStatus;
    /** Id of the last message that the run has read. */
    readonly mail: number;
    /** Set when other runs must learn of the close. */
    readonly outbox?: OutboxEntry;
  };
  /** Changes of the run's row by these events. */
  readonly changes?: RowChanges | undefined;
}

/** Changes of memo and search attributes, and of the status of a run that stays open. */
export interface RowChanges extends PropertiesMeta {
  status?: 'running' | 'paused';
}

/**
 * `mail`: new mail arrived, so the closing turn must be built again. `busy`: another session holds the run's row, try
 * again. `suspect`: committed, but another process has deleted messages that a turn of this statement consumed.
 */
export type TurnOutcome = 'committed' | 'mail' | 'busy' | 'suspect';

/** A connection that appends. It has its own fence row, and reuses the arrays of its statement. */
export class LogWriter {
  readonly client: pg.ClientBase;
  readonly #epoch: number;
  readonly #slot: number;
  readonly #schema: string;
  readonly #events: EventRows;
  readonly #columns = {
    mailRun: new ColumnEncoder('uuid'),
    mailId: new ColumnEncoder('int4'),
    closeRun: new ColumnEncoder('uuid'),
    closeMail: new ColumnEncoder('int4'),
    closeStatus: new ColumnEncoder('text'),
    closeSeq: new ColumnEncoder('int4'),
    closeHash: new ColumnEncoder('bytea'),
    closeAt: new ColumnEncoder('timestamptz'),
    outboxRun: new ColumnEncoder('uuid'),
    outboxParent: new ColumnEncoder('uuid'),
    outboxSeq: new ColumnEncoder('int4'),
    outboxLinks: new ColumnEncoder('int4'),
    changeRun: new ColumnEncoder('uuid'),
    change: new ColumnEncoder('text'),
  };

  static async open(client: pg.ClientBase, schema: string, epoch: number, slot: number): Promise<LogWriter> {
    return new LogWriter(client, schema, { epoch, slot }, await EventRows.open(client, schema));
  }

  private constructor(client: pg.ClientBase, schema: string, { epoch, slot }: Fence, events: EventRows) {
    this.#events = events;
    this.client = client;
    this.#schema = schema;
    this.#epoch = epoch;
    this.#slot = slot;
  }

  /**
   * Appends all turns in one commit. Returns undefined when the fence is gone: this incarnation is dead, and nothing
   * was written. Otherwise returns one outcome per turn; only `committed` and `suspect` turns were written.
   * @throws ASSERTION_FAILED when a turn cannot be encoded: nothing was sent
   */
  async append(turns: readonly Turn[]): Promise<TurnOutcome[] | undefined> {
    const { consumes, closes, tells, changes } = this.#encode(turns);
    const values: unknown[] = [this.#epoch, this.#slot, this.#events.take()];
    if (consumes) values.push(this.#columns.mailRun.take(), this.#columns.mailId.take());
    if (closes) {
      values.push(this.#columns.closeRun.take(), this.#columns.closeMail.take(), this.#columns.closeStatus.take());
      values.push(this.#columns.closeSeq.take(), this.#columns.closeHash.take(), this.#columns.closeAt.take());
    }
    if (tells) {
      values.push(
        this.#columns.outboxRun.take(),
        this.#columns.outboxParent.take(),
        this.#columns.outboxSeq.take(),
        this.#columns.outboxLinks.take(),
      );
    }
    if (changes) values.push(this.#columns.changeRun.take(), this.#columns.change.take());
    const variant = `${consumes ? '_mail' : ''}${closes ? '_close' : ''}${tells ? '_outbox' : ''}${changes ? '_change' : ''}`;
    const statement = {
      name: `reprise_append_${this.#schema}${variant}`,
      text: appendText(this.#schema, { consumes, closes, tells, changes }),
      values,
    };
    if (!consumes && !closes) {
      const { rowCount } = await this.client.query(statement);
      return rowCount === 0 ? undefined : turns.map(() => 'committed');
    }
    const { rows } = await this.client.query<{ fence: boolean; gone: number; locked: string[] | null }>(statement);
    const row = rows[0];
    if (row === undefined || !row.fence) return undefined;
    return outcomes(turns, row.locked ?? [], row.gone);
  }

  /** Fills the statement's arrays. If a turn cannot be encoded, clears them again. */
  #encode(turns: readonly Turn[]): AppendVariant {
    try {
      return this.#add(turns);
    } catch (cause) {
      this.#events.take();
      for (const column of Object.values(this.#columns)) column.take();
      throw new RuntimeError('ASSERTION_FAILED', `A turn could not be encoded, nothing was sent: ${String(cause)}`, {
        cause,
      });
    }
  }

  #add(turns: readonly Turn[]): AppendVariant {
    let consumes = false;
    let closes = false;
    let tells = false;
    let changes = false;
    for (const turn of turns) {
      for (const event of turn.events) this.#events.add(turn.runKey, event);
      for (const id of turn.consumed) {
        consumes = true;
        this.#columns.mailRun.bytes(turn.runKey);
        this.#columns.mailId.int4(id);
      }
      if (turn.close !== undefined) {
        closes = true;
        this.#addClose(turn, turn.close);
        if (turn.close.outbox !== undefined) {
          tells = true;
          this.#addOutbox(turn, turn.close.outbox);
        }
      }
      if (turn.changes !== undefined) {
        changes = true;
        this.#columns.changeRun.bytes(turn.runKey);
        this.#columns.change.text(JSON.stringify(turn.changes));
      }
    }
    return { consumes, closes, tells, changes };
  }

  /**
   * Notifies other processes of runs that the preceding append may have closed. Harmless when it has not closed them.
   */
  announceClosed(runIds: readonly string[]): void {
    void sendNotices(this.client, this.#schema, new Map([['closed', runIds]]));
  }

  #addClose(turn: Turn, close: NonNullable<Turn['close']>): void {
    const last = turn.events.at(-1)!;
    this.#columns.closeRun.bytes(turn.runKey);
    this.#columns.closeMail.int4(close.mail);
    this.#columns.closeStatus.text(close.status);
    this.#columns.closeSeq.int4(last.seq);
    this.#columns.closeHash.bytes(last.hash);
    this.#columns.closeAt.timestamp(last.at);
  }

  #addOutbox(turn: Turn, entry: OutboxEntry): void {
    this.#columns.outboxRun.bytes(turn.runKey);
    this.#columns.outboxParent.bytes(entry.parent === undefined ? null : runIdBytes(entry.parent.runId));
    this.#columns.outboxSeq.int4(entry.parent?.seq ?? null);
    this.#columns.outboxLinks.int4(entry.links ? 1 : 0);
  }
}

function outcomes(turns: readonly Turn[], locked: readonly string[], gone: number): TurnOutcome[] {
  const mailByRun = new Map(locked.map((entry) => [entry.slice(0, 36), Number(entry.slice(37))]));
  let consumed = 0;
  const result = turns.map((turn): TurnOutcome => {
    if (turn.close !== undefined) {
      const mail = mailByRun.get(turn.runId);
      if (mail === undefined) return 'busy';
      if (mail !== turn.close.mail) return 'mail';
    }
    consumed += turn.consumed.length;
    return 'committed';
  });
  if (consumed === gone) return result;
  // Only a run's owner may delete its mail. The count does not show which message was missing, so all turns with mail
  // are suspect.
  return result.map((outcome, i) => (outcome === 'committed' && turns[i]!.consumed.length > 0 ? 'suspect' : outcome));
}

const texts = new Map<string, string>();

/**
 * A condition that only affects the plan. After an analyze of an empty table, a join without it would be planned as a
 * scan of the whole table, including dead rows.
 */
function keyed(table: string, parameter: number): string {
  return `${table}.run_id = any ($${parameter}::uuid[])`;
}

/** SQL of changedProperties in run-properties.ts: a run's memo or search attributes after change `p`; null when empty. */
function changed(column: string, key: keyof PropertiesMeta): string {
  return (
    `${column} = case when p.change ? '${key}' then (select jsonb_object_agg(key, value) ` +
    `from jsonb_each(coalesce(r.${column}, '{}') || (p.change -> '${key}')) where value <> 'null') else r.${column} end`
  );
}

const changedColumns = [
  changed('memo', 'memo'),
  changed('search_attributes', 'searchAttributes'),
  changed('search_attribute_types', 'searchAttributeTypes'),
].join(', ');

/** A run that closes gets its status from `closedColumns`. */
const openColumns = `status = coalesce(p.change ->> 'status', r.status), ${changedColumns}`;

interface AppendVariant {
  readonly consumes: boolean;
  readonly closes: boolean;
  readonly tells: boolean;
  readonly changes: boolean;
}

/**
 * Builds the statement with only the parts that this batch needs. Without mail and closes, the statement returns a row
 * count.
 */
function appendText(schema: string, { consumes, closes, tells, changes }: AppendVariant): string {
  const key = `${schema} ${consumes} ${closes} ${tells} ${changes}`;
  const known = texts.get(key);
  if (known !== undefined) return known;
  let p = 3;
  const mail = consumes ? { run: ++p, id: ++p } : undefined;
  const close = closes ? { run: ++p, mail: ++p, status: ++p, seq: ++p, hash: ++p, at: ++p } : undefined;
  const outbox = tells ? { run: ++p, parent: ++p, seq: ++p, links: ++p } : undefined;
  const change = changes ? { run: ++p, change: ++p } : undefined;
  const notRefused = (run: string): string =>
    closes ? `where not exists (select from refused x where x.run_id = ${run})` : '';
  const parts = [`fence as materialized (select 1 from ${schema}.fences where epoch = $1 and slot = $2 for share)`];
  if (change !== undefined) {
    parts.push(
      `changing as materialized (select c.run_id, c.change::jsonb as change ` +
        `from unnest($${change.run}::uuid[], $${change.change}::text[]) as c(run_id, change))`,
    );
    // A statement can update a row only once, so `closed` also writes the changes of a run that closes.
    const open = close === undefined ? '' : ` and p.run_id <> all ($${close.run}::uuid[])`;
    parts.push(
      `changed as (update ${schema}.runs r set ${openColumns} from changing p, fence ` +
        `where ${keyed('r', change.run)} and r.run_id = p.run_id${open})`,
    );
  }
  if (close !== undefined) {
    const alsoChanged =
      change === undefined ? ['', ''] : [`, ${changedColumns}`, ' left join changing p using (run_id)'];
    parts.push(
      `closing as materialized (select * from unnest($${close.run}::uuid[], $${close.mail}::int[], $${close.status}::text[], ` +
        `$${close.seq}::int[], $${close.hash}::bytea[], $${close.at}::timestamptz[]) as c(run_id, mail, status, seq, hash, at))`,
      // Lock first, in order, and skip locked rows: a user's open transaction on one run must not delay other runs.
      `locked as materialized (select r.run_id, r.mail from ${schema}.ready r where r.run_id = any($${close.run}::uuid[]) ` +
        `and r.owner = $1 and exists (select from fence) order by r.run_id for no key update of r skip locked)`,
      'refused as materialized (select c.run_id from closing c where not exists ' +
        '(select from locked l where l.run_id = c.run_id and l.mail = c.mail))',
      `closed as (update ${schema}.runs r set ${closedColumns}, worker = $1${alsoChanged[0]} ` +
        `from closing c${alsoChanged[1]}, fence where ${keyed('r', close.run)} and r.run_id = c.run_id ` +
        'and not exists (select from refused x where x.run_id = c.run_id))',
      `freed as (delete from ${schema}.ready r using closing c, fence where ${keyed('r', close.run)} and r.run_id = c.run_id ` +
        `and not exists (select from refused x where x.run_id = c.run_id))`,
    );
  }
  if (mail !== undefined) {
    const guard = notRefused('m.run_id');
    parts.push(
      `gone as (delete from ${schema}.inbox i using unnest($${mail.run}::uuid[], $${mail.id}::int[]) as m(run_id, id), fence ` +
        `${guard === '' ? 'where' : `${guard} and`} ${keyed('i', mail.run)} and i.run_id = m.run_id and i.id = m.id returning 1)`,
    );
  }
  const insert =
    `insert into ${schema}.events (${eventColumns}) select ${eventColumns} ` +
    `from fence, unnest($3::${schema}.new_event[]) as e ${notRefused('e.run_id')}`;
  if (mail === undefined && close === undefined) {
    const text = `with ${parts.join(', ')} ${insert}`;
    texts.set(key, text);
    return text;
  }
  if (outbox !== undefined) {
    parts.push(
      `told as (insert into ${schema}.outbox (run_id, parent_run_id, parent_seq, links) select o.run_id, o.parent, o.seq, o.links = 1 ` +
        `from unnest($${outbox.run}::uuid[], $${outbox.parent}::uuid[], $${outbox.seq}::int[], $${outbox.links}::int[]) ` +
        `as o(run_id, parent, seq, links), fence ${notRefused('o.run_id')})`,
    );
  }
  parts.push(`written as (${insert})`);
  const text =
    `with ${parts.join(', ')} select exists (select from fence) as fence, ` +
    `${mail === undefined ? '0' : '(select count(*)::int from gone)'} as gone, ` +
    `${close === undefined ? 'null::text[]' : "array(select run_id::text || ':' || mail from locked)"} as locked`;
  texts.set(key, text);
  return text;
}
