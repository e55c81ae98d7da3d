// Applies verbs of operators (pause, resume, retry, skip) to an open run. Nobody owns the run: the caller appends the
// verb's events in one short transaction, which needs no worker. A worker owns it: the verb goes into the inbox.
import type pg from 'pg';
import { type EventType, type HistoryEvent, type Micros, type NewEvent } from '../../core/log/event.ts';
import { newEvent } from '../../core/log/new-event.ts';
import { isVisible } from '../../core/log/visible.ts';
import { attemptRunning, type Refusal, refusalOf, type Verb, verbEvents, verbTypes } from '../../core/recovery/verb.ts';
import { failureOf } from '../../core/recovery/verb-inputs.ts';
import type { Mail } from '../../core/run/mail.ts';
import { RunState } from '../../core/run/run-state.ts';
import { sealTurn, turnTime } from '../../core/run/seal-turn.ts';
import { heldColumns, isWaiting, releasedColumns } from '../activities/task-holds.ts';
import { eventColumns, EventRows } from '../codec/event-rows.ts';
import { timestampArray } from '../codec/pg-binary.ts';
import { sha256 } from '../codec/sha256.ts';
import { closingTypes } from '../../core/log/event-groups.ts';
import { readEventsAfter, readOpenEventsWithin } from '../log/history.ts';
import { lineWithin } from '../log/line.ts';
import { type Delivery, type Message, readMail, send } from '../messages/inbox.ts';
import { announce } from '../messages/run-messages.ts';
import { rejectMessage, verbKey } from '../messages/updates.ts';
import type { Database } from '../sql/database.ts';
import { microsOf } from '../sql/sql-text.ts';
import { transaction } from '../sql/transaction.ts';
import { readHead } from './close-run.ts';
import { findVerb, isVerbWaiting, type LoggedVerb } from './find-verb.ts';
import { runIdBytes } from './run-id.ts';

/** A verb as a message. `correlationId` is the id of the request. */
export interface VerbMessage extends Message {
  readonly correlationId: string;
}

/**
 * `logged`: the verb is in the log, now or since an earlier call with the same request id. `sent`: it is in the inbox,
 * and the run's owner answers. `early`: a worker looks at the run before its first task is due, try again soon.
 */
export type VerbResult =
  | { readonly outcome: 'logged'; readonly verb: LoggedVerb }
  | { readonly outcome: 'refused'; readonly refusal: Refusal }
  | { readonly outcome: 'sent' | 'closed' | 'early' };

interface Ready {
  readonly owner: number | null;
  readonly queue: string;
  readonly now: Micros;
}

/** What other processes must learn once the transaction has committed. */
interface Notices {
  delivery?: Delivery;
  queue?: string;
  taskQueues: readonly string[];
  answered: string[];
  refusals: { readonly key: string; readonly name: string; readonly failure: Uint8Array }[];
}

/** @throws lock_not_available when another session holds the run's row */
export async function submitVerb(database: Database, runId: string, message: VerbMessage): Promise<VerbResult> {
  const notices: Notices = { taskQueues: [], answered: [], refusals: [] };
  const result = await transaction(
    database.pool,
    {},
    (client) => new Operation(database, client, runId, notices).submit(message),
    ({ outcome }) => outcome === 'logged' || outcome === 'sent',
  );
  if (result.outcome === 'logged' || result.outcome === 'sent') tell(database, runId, notices);
  return result;
}

function tell(database: Database, runId: string, { delivery, queue, taskQueues, answered, refusals }: Notices): void {
  if (delivery !== undefined) announce(database, [{ runId, delivery }]);
  if (queue !== undefined) announce(database, [{ runId, delivery: { owner: null, queue } }]);
  for (const name of taskQueues) database.notifier.task(name);
  for (const key of answered) database.notifier.answered(key);
  // A sender that gets no answer finds its message gone and sends it again.
  for (const refusal of refusals) rejectMessage(database, { runId, ...refusal }).catch(() => undefined);
}

/** A time that never comes: only a message wakes the run. */
const never: Micros = 9_000_000_000_000_000;

/** A log this long belongs to a run that has begun. */
const shortLog = 100;

/** One transaction about one run, whose ready row it holds. */
class Operation {
  readonly #database: Database;
  readonly #client: pg.ClientBase;
  readonly #runId: string;
  readonly #notices: Notices;

  constructor(database: Database, client: pg.ClientBase, runId: string, notices: Notices) {
    this.#database = database;
    this.#client = client;
    this.#runId = runId;
    this.#notices = notices;
  }

  async submit(message: VerbMessage): Promise<VerbResult> {
    const { schema } = this.#database;
    const ready = await this.#lock();
    const verb = await findVerb(this.#client, schema, this.#runId, message.correlationId);
    if (verb !== undefined) return { outcome: 'logged', verb };
    if (ready === undefined) return { outcome: 'closed' };
    return ready.owner === null ? this.#apply(ready, message) : this.#send(ready, message);
  }

  async #lock(): Promise<Ready | undefined> {
    const { rows } = await this.#client.query<{ owner: number | null; queue: string; now: string }>(
      `select owner, queue, ${microsOf('clock_timestamp()')} as now from ${this.#database.schema}.ready
where run_id = $1 for no key update`,
      [this.#runId],
    );
    return rows[0] === undefined ? undefined : { ...rows[0], now: Number(rows[0].now) };
  }

  // A worker owns the run.

  async #send(ready: Ready, message: VerbMessage): Promise<VerbResult> {
    const { schema } = this.#database;
    const client = this.#client;
    if (await isVerbWaiting(client, schema, this.#runId, message.correlationId)) return { outcome: 'sent' };
    // Before the first task is due, an owner reads no mail and gives the run back at once.
    if (await this.#isEarly(ready.now)) return { outcome: 'early' };
    const task = message.answers === undefined ? 'none' : await this.#takeTask(message.answers);
    if (task === 'running') {
      const activity = { seq: message.answers ?? 0, type: message.name ?? '' };
      return { outcome: 'refused', refusal: await this.#runningRefusal(activity.seq, message) };
    }
    const meta = JSON.parse(message.meta ?? '{}') as object;
    const told = task === 'taken' ? { ...message, meta: JSON.stringify({ ...meta, task: true }) } : message;
    const delivery = await send(client, schema, this.#runId, told);
    if (delivery !== undefined) this.#notices.delivery = delivery;
    return { outcome: 'sent' };
  }

  async #isEarly(now: Micros): Promise<boolean> {
    const events = await readEventsAfter(this.#client, this.#database.schema, this.#runId, 0, shortLog);
    if (events.length === shortLog) return false;
    const { hasBegun, cancelRequested, chain } = RunState.of(this.#runId, events);
    return !hasBegun && !cancelRequested && (chain?.notBefore ?? 0) > now;
  }

  /**
   * Deletes the activity's task if no worker has begun it, or if its attempt was lost and its effect is unknown. The
   * verb takes the place of the task, so that no worker can begin it meanwhile.
   */
  async #takeTask(seq: number): Promise<'none' | 'taken' | 'running'> {
    const { schema } = this.#database;
    const { rows } = await this.#client.query<{ waits: boolean; unknown: boolean }>(
      `select ${isWaiting} as waits, t.unsafe and t.worker is not null
  and not exists (select from ${schema}.fences f where f.epoch = t.worker) as unknown
from ${schema}.activity_tasks t where run_id = $1 and seq = $2 for no key update`,
      [this.#runId, seq],
    );
    const [task] = rows;
    if (task === undefined) return 'none';
    if (!task.waits && !task.unknown) return 'running';
    await this.#client.query(`delete from ${schema}.activity_tasks where run_id = $1 and seq = $2`, [this.#runId, seq]);
    return 'taken';
  }

  async #runningRefusal(seq: number, { name = '' }: VerbMessage): Promise<Refusal> {
    const [event] = await readEventsAfter(this.#client, this.#database.schema, this.#runId, seq - 1, seq);
    return attemptRunning(this.#runId, { seq, type: event?.name ?? '' }, name);
  }

  // Nobody owns the run.

  async #apply(ready: Ready, message: VerbMessage): Promise<VerbResult> {
    const { schema } = this.#database;
    const client = this.#client;
    const line = await lineWithin(client, schema, this.#runId);
    const state = RunState.of(this.#runId, await readOpenEventsWithin(client, schema, line));
    const mail = await readMail(this.#database, [{ runId: this.#runId, after: 0 }], client);
    const own = verbOf(message);
    const waiting = mail.filter(({ type }) => verbTypes.has(type));
    if ([...waiting, own].some((verb) => isAwaited(verb, mail))) return this.#leaveToWorker(message, waiting);
    const { head, unhashed } = await readHead(client, schema, this.#runId);
    const at = turnTime(head, ready.now);
    const before = state.paused;
    const newEvents: NewEvent[] = [];
    const add = (verb: Verb): void => {
      for (const event of verbEvents(verb)) {
        newEvents.push({ ...event, seq: head.seq + newEvents.length + 1 });
        state.apply({ ...newEvents.at(-1)!, at, hash: null });
      }
    };
    // Verbs that were sent to a lost owner come first, in the order of the mail.
    for (const verb of waiting) {
      const refusal = await this.#refusal(state, verb);
      if (refusal === undefined) add(verb);
      else this.#refuse(verb, refusal);
    }
    if (!waiting.some(({ correlationId }) => correlationId === own.correlationId)) {
      const refusal = await this.#refusal(state, own);
      if (refusal !== undefined) return { outcome: 'refused', refusal };
      add(own);
    }
    if (newEvents.some(({ type }) => isVisible(type))) {
      newEvents.push(newEvent(head.seq + newEvents.length + 1, 'WorkflowTaskDeferred'));
    }
    const status = before === undefined ? 'running' : 'paused';
    const turn = sealTurn({ ...head, line: state.line, status }, unhashed, { newEvents, at }, sha256);
    await this.#append(turn.events, waiting);
    await this.#placeRun(state, { isRead: mail.length === waiting.length, now: ready.now });
    if (before?.seq !== state.paused?.seq) await this.#changePause(state);
    await this.#forgetSkipped(turn.events);
    this.#notices.queue = ready.queue;
    const verb = await findVerb(client, schema, this.#runId, message.correlationId);
    // The own verb was in the mail and was refused: the sender finds the answer.
    return verb === undefined ? { outcome: 'sent' } : { outcome: 'logged', verb };
  }

  /** An outcome of the same activity waits in the inbox. The run's next owner reads both in order. */
  async #leaveToWorker(message: VerbMessage, waiting: readonly Mail[]): Promise<VerbResult> {
    if (!waiting.some(({ correlationId }) => correlationId === message.correlationId)) {
      const delivery = await send(this.#client, this.#database.schema, this.#runId, message);
      if (delivery !== undefined) this.#notices.delivery = delivery;
    }
    return { outcome: 'sent' };
  }

  async #refusal(state: RunState, verb: Verb): Promise<Refusal | undefined> {
    const refusal = refusalOf(state, verb);
    if (refusal !== undefined || verb.type !== 'RecoveryApplied') return refusal;
    const activity = state.activities.get(verb.answers ?? 0)!;
    const task = await this.#takeTask(activity.seq);
    return task === 'running' ? attemptRunning(this.#runId, activity, verb.name ?? '') : undefined;
  }

  #refuse({ type, name, correlationId }: Verb, refusal: Refusal): void {
    const key = verbKey(this.#runId, correlationId ?? '');
    this.#notices.refusals.push({ key, name: name ?? type, failure: failureOf(refusal) });
  }

  async #append(events: readonly HistoryEvent[], consumed: readonly Mail[]): Promise<void> {
    const { schema } = this.#database;
    const rows = await EventRows.open(this.#client, schema);
    for (const event of events) rows.add(runIdBytes(this.#runId), event);
    const from = `from unnest($1::${schema}.new_event[]) as e`;
    await this.#client.query(`insert into ${schema}.events (${eventColumns}) select ${eventColumns} ${from}`, [
      rows.take(),
    ]);
    const ids = consumed.map(({ id }) => id);
    await this.#client.query(`delete from ${schema}.inbox where run_id = $1 and id = any ($2::int[])`, [
      this.#runId,
      ids,
    ]);
    for (const { type, correlationId } of events) {
      if (verbTypes.has(type)) this.#notices.answered.push(verbKey(this.#runId, correlationId ?? ''));
    }
  }

  /** A paused run waits for its deadline, unless it has mail to read. Any other run is due when it may go on. */
  async #placeRun(state: RunState, { isRead, now }: { readonly isRead: boolean; readonly now: Micros }): Promise<void> {
    const { hasBegun, cancelRequested, chain, firstTaskAt, paused } = state;
    const deadline = chain?.deadline ?? never;
    // A message ends the wait of a delayed start, as it does without a pause.
    const first = hasBegun || cancelRequested || !isRead ? now : Math.max(now, firstTaskAt);
    const wakeAt = paused === undefined ? first : isRead ? deadline : now;
    // The claim of a run that was never claimed would take its start for its whole log.
    await this.#client.query(
      `update ${this.#database.schema}.ready set wake_at = ($2::timestamptz[])[1], claimed = true where run_id = $1`,
      [this.#runId, timestampArray([wakeAt])],
    );
  }

  async #changePause({ paused }: RunState): Promise<void> {
    const { schema } = this.#database;
    await this.#client.query(`update ${schema}.runs set status = $2 where run_id = $1`, [
      this.#runId,
      paused === undefined ? 'running' : 'paused',
    ]);
    const [columns, held] = paused === undefined ? [releasedColumns, 'not null'] : [heldColumns, 'null'];
    const { rows } = await this.#client.query<{ queue: string }>(
      `update ${schema}.activity_tasks t set ${columns} where run_id = $1 and due_when_resumed is ${held} returning queue`,
      [this.#runId],
    );
    if (paused === undefined) this.#notices.taskQueues = [...new Set(rows.map(({ queue }) => queue))];
  }

  /** Drops the progress of skipped activities. */
  async #forgetSkipped(events: readonly HistoryEvent[]): Promise<void> {
    const seqs = events.flatMap(({ type, answers }) => (type === 'ActivityCompleted' ? [answers] : []));
    if (seqs.length === 0) return;
    await this.#client.query(
      `delete from ${this.#database.schema}.activity_heartbeats where run_id = $1 and seq = any ($2::int[])`,
      [this.#runId, seqs],
    );
  }
}

const outcomes: ReadonlySet<EventType> = new Set<EventType>(closingTypes);

/** Whether the mail holds an outcome of the activity that the verb is about. */
function isAwaited({ type, answers }: Verb, mail: readonly Mail[]): boolean {
  if (type !== 'RecoveryApplied') return false;
  return mail.some(
    (message) => outcomes.has(message.type) && (JSON.parse(message.meta ?? '{}') as { seq?: number }).seq === answers,
  );
}

function verbOf({ type, name, payload, sourceId, reason, correlationId, meta, answers }: VerbMessage): Verb {
  return {
    type,
    name: name ?? null,
    payload: payload ?? null,
    sourceId: sourceId ?? null,
    reason: reason ?? null,
    correlationId,
    meta: meta ?? null,
    answers: answers ?? null,
  };
}
