// Sends a message to a run and notifies the process that reads it.
import { type Delivery, type Message, sendAlone } from '../../../runtime/store/messages/inbox.ts';
import type { Connection } from '../../common/connection.ts';
import { rowOf, whenFree } from '../when-free.ts';

/** Returns undefined when the run is not open. @throws RuntimeError RUN_BUSY */
export async function sendMessage(
  connection: Connection,
  runId: string,
  message: Message,
): Promise<Delivery | undefined> {
  const delivery = await whenFree(connection, rowOf(runId), (database) => sendAlone(database, runId, message));
  if (delivery !== undefined) notifyReader(connection, runId, delivery);
  return delivery;
}

/** Applies a message that was sent to a standalone activity, because no worker may be polling its queue. */
export async function applyStandaloneMail(connection: Connection, runId: string, delivery: Delivery): Promise<void> {
  // Imported on demand, so that clients without standalone activities do not load the code that applies commands.
  const { applyMail } = await import('../../../runtime/store/activities/command-activity.ts');
  try {
    await whenFree(connection, rowOf(runId), (database) => applyMail(database, runId));
  } catch {
    // The message is durable, so a worker will apply it.
    notifyReader(connection, runId, delivery);
  }
}

export function notifyReader(
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
