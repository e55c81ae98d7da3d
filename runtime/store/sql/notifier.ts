// Notices to other processes: hints only, coalesced, sent apart from every append and without waiting for the disk.
// Losing one is harmless, because polling is the truth.
import type pg from 'pg';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import type { Queryable } from './queryable.ts';

/** Payloads of NOTIFY must be shorter than 8000 bytes; items are joined up to this many. */
const payloadBytes = 7_900;

/** Stands among the run ids of those who have mail. */
export const attemptsItem = 'attempts';

/** A topic and an item of it, as one text, so that a notice that waits already is not sent twice. */
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

  /** Attempts that this worker has at work are to be looked at: one is to be cancelled. */
  attempts(epoch: number): void {
    this.#add(`mail_${epoch}`, attemptsItem);
  }

  /** An owned run got mail. */
  mail(epoch: number, runId: string): void {
    this.#add(`mail_${epoch}`, runId);
  }

  closed(runId: string): void {
    this.#add('closed', runId);
  }

  /** A query waits for an answer on this queue, or was answered (`queue` null). */
  request(queue: string): void {
    this.#add('request', queue);
  }

  /** Another version of a deployment is current or ramping. */
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
 * Sends items by topic, in a transaction of its own. On a pipelined connection it follows the statement before it without
 * waiting for the answer; should that one have failed, somebody looks in vain.
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
  // A lost notice only costs the receiver its poll interval, so a failure needs no repetition.
  await client.query({ name: 'reprise_notify', text: notifyText, values: [channels, payloads] }).catch(() => undefined);
}

const notifyText =
  "select set_config('synchronous_commit', 'off', true), pg_notify(c, p) from unnest($1::text[], $2::text[]) as n(c, p)";

export function channelName(schema: string, topic: string): string {
  return `${schema}_${topic}`;
}

/** Has the session told of these topics from now on. */
export async function listen(client: pg.ClientBase, schema: string, topics: readonly string[]): Promise<void> {
  for (const topic of topics) await client.query(`listen ${channelName(schema, topic)}`);
}

/** A notice that travels with the caller's own transaction: there is no telling when it commits. */
export async function wakeOnCommit(transaction: Queryable, schema: string, queue: string): Promise<void> {
  await transaction.query('select pg_notify($1, $2)', [channelName(schema, 'wake'), queue]);
}

/** Items of a payload as `joined` wrote it. */
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
