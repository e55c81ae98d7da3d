// Sends a message to a run and tells whoever has to read it.
import { type Delivery, type Message, sendAlone } from '../../runtime/store/messages/inbox.ts';
import type { Connection } from '../common/connection.ts';
import { rowOf, whenFree } from './when-free.ts';

/** Undefined when the run is not open. @throws RuntimeError RUN_BUSY */
export async function sendMessage(
  connection: Connection,
  runId: string,
  message: Message,
): Promise<Delivery | undefined> {
  const delivery = await whenFree(connection, rowOf(runId), (database) => sendAlone(database, runId, message));
  if (delivery !== undefined) tellReader(connection, runId, delivery);
  return delivery;
}

/** Has a standalone activity take in the message that was sent to it: whoever polls its queue need not be there. */
export async function settleMail(connection: Connection, runId: string, delivery: Delivery): Promise<void> {
  // Clients that never ask for it do not load what decides about activities.
  const { takeMail } = await import('../../runtime/store/activities/command-activity.ts');
  try {
    await whenFree(connection, rowOf(runId), (database) => takeMail(database, runId));
  } catch {
    // The message is durable: a worker will find it.
    tellReader(connection, runId, delivery);
  }
}

export function tellReader(
  { database }: Connection,
  runId: string,
  { owner, queue }: Pick<Delivery, 'owner' | 'queue'>,
): void {
  if (owner !== null) {
    database.notifier.mail(owner, runId);
    return;
  }
  const here = database.localWorkers.get(queue);
  if (here === undefined) database.notifier.wake(queue);
  else for (const worker of here) worker.wake();
}
