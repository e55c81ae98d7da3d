// Opens the database sessions of an incarnation and registers it: one session carries the heartbeat, one claims and
// releases runs, one starts runs, some append. It sends nothing else on the sessions.
import type pg from 'pg';
import { queueKey } from '../../core/run/deployment.ts';
import { LogWriter } from '../../store/log/append.ts';
import type { Database } from '../../store/sql/database.ts';
import { EventRows } from '../../store/codec/event-rows.ts';
import { backendPid, register } from '../../store/ownership/lease.ts';
import type { Activities } from '../activities/activity-context.ts';
import type { WorkerVersion } from '../versions/worker-versions.ts';
import type { Life } from './life.ts';
import type { Fence } from '../../store/ownership/fence.ts';

export interface SessionsOptions {
  readonly database: Database;
  /** Null for a worker that takes no runs. */
  readonly bundleHash: string | null;
  readonly activities: Activities;
  readonly takesNonLocal: boolean;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly leaseMs: number;
  readonly version?: WorkerVersion | undefined;
}

export interface Sessions {
  readonly epoch: number;
  readonly heart: pg.Client;
  readonly control: pg.Client;
  /** Used only for starts, because a start that waits for another transaction holds its fence all that time. */
  readonly starts: pg.Client;
  readonly startFence: Fence;
  /** The fence for reports of activity outcomes, which use connections of the pool. */
  readonly reportFence: Fence;
  /** Encodes the events of first turns that are appended with starts. */
  readonly rows: EventRows;
  readonly writers: readonly LogWriter[];
  close(): Promise<void>;
  /**
   * Ends the incarnation when a session breaks, and the sessions when the incarnation ends. `starts` stays open for
   * starts under way.
   */
  bindTo(life: Life): void;
}

const writerCount = 2;

/**
 * Opens all sessions and registers a new incarnation.
 * @throws the error of a failed connection, after closing all sessions
 */
export async function openSessions(options: SessionsOptions): Promise<Sessions> {
  const { database, identity, namespace, taskQueue, bundleHash, leaseMs, version } = options;
  const clients: pg.Client[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  };
  try {
    const opening = ['heart', 'control', 'starts'].map((name) => database.dedicated(`reprise ${name}`));
    for (let i = 1; i <= writerCount; i++) opening.push(database.dedicated(`reprise writer ${i}`, { pipeline: true }));
    const opened = await Promise.allSettled(opening);
    for (const each of opened) if (each.status === 'fulfilled') clients.push(each.value);
    for (const each of opened) if (each.status === 'rejected') throw each.reason;
    const [heart, control, starts, ...writing] = clients as [pg.Client, pg.Client, pg.Client, ...pg.Client[]];
    const epoch = await register(heart, database.schema, {
      identity,
      queue: queueKey(namespace, taskQueue),
      bundleHash,
      leaseMs,
      version: version?.defaultBehavior === undefined ? undefined : version.version,
      // One backend per fence, in the order of the slots. The fence for reports has no session of its own.
      backendPids: [...(await Promise.all([control, ...writing, starts].map(backendPid))), null],
      activityTypes: options.takesNonLocal ? Object.keys(options.activities) : [],
    });
    const writers = await Promise.all(
      writing.map((client, i) => LogWriter.open(client, database.schema, epoch, i + 1)),
    );
    const rows = await EventRows.open(starts, database.schema);
    const bindTo = (life: Life): void => {
      for (const client of clients) {
        client.on('error', (error) => life.lose(`a connection broke: ${error.message}`, error));
        client.on('end', () => life.lose('a connection ended'));
        if (client !== starts) life.owns({ stop: () => client.end().catch(() => undefined) });
      }
    };
    const startFence = { epoch, slot: writerCount + 1 };
    const reportFence = { epoch, slot: writerCount + 2 };
    return { epoch, heart, control, starts, startFence, reportFence, rows, writers, close, bindTo };
  } catch (error) {
    await close();
    throw error;
  }
}
