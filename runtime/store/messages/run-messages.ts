// Sends messages from one run to another exactly once, even if the sender's worker dies in between.
import type pg from 'pg';
import type { OpenMessage, RunLinks } from '../../core/run/run-links.ts';
import { openRunOfChild, type ParentRun } from '../runs/child-run.ts';
import { openRunOf } from '../runs/start-with.ts';
import type { Database } from '../sql/database.ts';
import { type Delivery, type Message, send } from './inbox.ts';
import { eventCode } from '../../core/log/event.ts';
import { transaction } from '../sql/transaction.ts';

export interface Sent {
  readonly runId: string;
  readonly delivery: Delivery;
}

/** The run that sends a message. */
type Sender = Pick<ParentRun, 'runId' | 'line' | 'namespace'> & { readonly links?: RunLinks | undefined };

/** The open run that should receive a message. */
export async function receiverOf(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  sender: Sender,
  message: OpenMessage,
): Promise<string | undefined> {
  const { workflowId, meta } = message;
  const found =
    meta.child === undefined
      ? await openRunOf(client, schema, { namespace: sender.namespace, workflowId, runId: meta.runId })
      : await openRunOfChild(
          client,
          schema,
          sender,
          sender.links?.children.get(meta.child) ?? { workflowId, seq: meta.child },
        );
  return found === sender.runId ? undefined : found; // a run cannot send to itself
}

/** The message in the form that the receiver reads. */
export function asMail(message: OpenMessage, payload: Uint8Array | null): Message {
  if (message.kind === 'cancel') return { type: 'WorkflowCancelRequested' };
  return { type: 'SignalReceived', name: message.name ?? '', ...(payload === null ? {} : { payload }) };
}

/**
 * Sends the message and acknowledges it to the sending run in one commit. An acknowledged message is not sent again.
 * `owner` is the epoch that must own the sending run. Returns the receivers to notify: undefined when the target run is
 * not open, an empty list when the message was already acknowledged or another epoch owns the sending run.
 */
export async function sendFromRun(
  database: Database,
  owner: number,
  sender: Sender,
  message: OpenMessage,
  payload: Uint8Array | null,
): Promise<readonly Sent[] | undefined> {
  const { schema, pool } = database;
  return transaction(pool, {}, async (client) => {
    const target = await receiverOf(client, schema, sender, message);
    if (target === undefined) return undefined;
    // Lock both rows in order, so that two runs that write to each other cannot deadlock.
    const { rows } = await client.query<{ run_id: string; owner: number | null }>(
      `select run_id, owner from ${schema}.ready where run_id = any($1::uuid[]) order by run_id for no key update`,
      [[sender.runId, target]],
    );
    if (rows.find((row) => row.run_id === sender.runId)?.owner !== owner) return [];
    // A new statement has a new snapshot: by now, an earlier send has committed, or its worker has lost the run.
    if (await isAnswered(client, schema, sender.runId, message)) return [];
    const received = await sendTo(client, schema, target, asMail(message, payload), () =>
      receiverOf(client, schema, sender, message),
    );
    if (received === undefined) return undefined;
    const type = message.kind === 'signal' ? 'ExternalSignalDelivered' : 'ExternalCancelDelivered';
    const arrived = await send(client, schema, sender.runId, {
      type,
      answers: message.seq,
      correlationId: received.runId,
    });
    return [received, { runId: sender.runId, delivery: arrived! }];
  });
}

/** Sends to the run, or to its open successor if the run has closed. Undefined when the chain has ended. */
export async function sendTo(
  client: pg.ClientBase,
  schema: string,
  target: string,
  message: Message,
  resolve: () => Promise<string | undefined>,
): Promise<Sent | undefined> {
  for (let runId: string | undefined = target; runId !== undefined; ) {
    const delivery = await send(client, schema, runId, message);
    if (delivery !== undefined) return { runId, delivery };
    const next: string | undefined = await resolve();
    runId = next === runId ? undefined : next;
  }
  return undefined;
}

async function isAnswered(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  { seq, kind }: OpenMessage,
): Promise<boolean> {
  const types =
    kind === 'signal'
      ? [eventCode.ExternalSignalDelivered, eventCode.ExternalSignalFailed]
      : [eventCode.ExternalCancelDelivered, eventCode.ExternalCancelFailed];
  const { rows } = await client.query<{ answered: boolean }>(
    `select exists (select from ${schema}.inbox where run_id = $1 and answers = $2 and type = any($3::int[]))
  or exists (select from ${schema}.events where run_id = $1 and seq > $2 and answers = $2 and type = any($3::int[])) as answered`,
    [runId, seq, types],
  );
  return rows[0]!.answered;
}

/** Notifies the owners of runs with mail, and the workers of runs without an owner. */
export function announce(database: Database, sent: readonly Sent[]): void {
  for (const { runId, delivery } of sent) {
    if (delivery.owner !== null) database.notifier.mail(delivery.owner, runId);
    else {
      for (const worker of database.localWorkers.get(delivery.queue) ?? []) worker.wake();
      database.notifier.wake(delivery.queue);
    }
  }
}
