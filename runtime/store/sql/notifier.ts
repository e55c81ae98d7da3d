// Notices to other processes. They are only hints: they are batched, sent outside every append, and not flushed to
// disk. A lost notice is harmless, because receivers also poll.
import type pg from 'pg';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import type { Queryable } from './queryable.ts';

/** A NOTIFY payload must be shorter than 8000 bytes; items are joined up to this size. */
const payloadBytes = 7_900;

/** Stands for a run id in a `mail` notice: the worker must check its running attempts. */
export const attemptsItem = 'attempts';

/** A topic and an item as one text, so that a pending notice is not sent twice. */
type Notice = `${string} ${string}`;

/** What a notifier needs of its database. */
export interface NotifiedDatabase {
  readonly pool: pg.Pool;
  readonly schema: string;
}

export class Notifier implements BatchSender<Notice> {
  readonly #database: NotifiedDatabase;
  readonly #batcher = new Batcher<Notice>(this);

  constructor(database: NotifiedDatabase) {
    this.#database = database;
  }

  /** A run of this queue can be claimed. */
  wake(queue: string): void {
    this.#add('wake', queue);
  }

  /** An activity of this queue can be claimed. */
  task(queue: string): void {
    this.#add('task', queue);
  }

  /** This worker must check its running attempts, because one has a cancel request or new options. */
  attempts(epoch: number): void {
    this.#add(`mail_${epoch}`, attemptsItem);
  }

  /** An owned run has new mail. */
  mail(epoch: number, runId: string): void {
    this.#add(`mail_${epoch}`, runId);
  }

  closed(runId: string): void {
    this.#add('closed', runId);
  }

  /** A query waits for an answer on this queue. */
  request(queue: string): void {
    this.#add('request', queue);
  }

  /** The current or ramping version of a deployment has changed. */
  deployment(): void {
    this.#add('deployment', '');
  }

  answered(requestId: string): void {
    this.#add('answered', requestId);
  }

  #add(topic: string, item: string): void {
    this.#batcher.add(`${topic} ${item}`);
  }

  async send(notices: readonly Notice[]): Promise<void> {
    const items = new Map<string, string[]>();
    for (const notice of notices) {
      const end = notice.indexOf(' ');
      const topic = notice.slice(0, end);
      const item = notice.slice(end + 1);
      const others = items.get(topic);
      if (others === undefined) items.set(topic, [item]);
      else others.push(item);
    }
    await sendNotices(this.#database.pool, this.#database.schema, items);
  }
}

/**
 * Sends items by topic, in a transaction of its own. On a pipelined connection, this does not wait for the preceding
 * statement. If that statement fails, receivers look and find nothing new.
 */
export async function sendNotices(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  notices: ReadonlyMap<string, Iterable<string>>,
): Promise<void> {
  const channels: string[] = [];
  const payloads: string[] = [];
  for (const [topic, items] of notices) {
    for (const payload of joined(items)) {
      channels.push(channelName(schema, topic));
      payloads.push(payload);
    }
  }
  // A lost notice costs the receiver one poll interval, so a failure is not retried.
  await client.query({ name: 'reprise_notify', text: notifyText, values: [channels, payloads] }).catch(() => undefined);
}

const notifyText =
  "select set_config('synchronous_commit', 'off', true), pg_notify(c, p) from unnest($1::text[], $2::text[]) as n(c, p)";

export function channelName(schema: string, topic: string): string {
  return `${schema}_${topic}`;
}

/** Subscribes the session to these topics. */
export async function listen(client: pg.ClientBase, schema: string, topics: readonly string[]): Promise<void> {
  for (const topic of topics) await client.query(`listen ${channelName(schema, topic)}`);
}

/** Sends a notice in the caller's transaction. The notice arrives when the transaction commits. */
export async function wakeOnCommit(transaction: Queryable, schema: string, queue: string): Promise<void> {
  await transaction.query('select pg_notify($1, $2)', [channelName(schema, 'wake'), queue]);
}

/** The items of a payload that `joined` has built. */
export function splitPayload(payload: string): string[] {
  return payload.split('\n');
}

function* joined(items: Iterable<string>): Generator<string> {
  let line: string[] = [];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = Buffer.byteLength(item) + 1;
    if (bytes + itemBytes > payloadBytes && bytes > 0) {
      yield line.join('\n');
      line = [];
      bytes = 0;
    }
    line.push(item);
    bytes += itemBytes;
  }
  yield line.join('\n');
}
