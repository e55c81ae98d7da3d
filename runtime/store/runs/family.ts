// A run's family, for people: who started it, and which children it has. Derived from the log.
import type { RunLink } from '../../core/log/activation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { readStartMeta, type StartedMeta } from '../../core/run/start-meta.ts';
import { RunLinks } from '../../core/run/run-links.ts';
import type { Database } from '../sql/database.ts';
import { readEventsAfter, readLinkEvents } from '../log/history.ts';
import { withSession } from '../sql/transaction.ts';

export interface Family {
  /** The run that started this one as its child. */
  readonly parentExecution: RunLink | undefined;
  /** The run at the top of the family. */
  readonly rootExecution: RunLink;
  /** When its first task is, or was, due: later than its start when that had a delay, a back-off or a schedule. */
  readonly executionTime: Date;
  /** Children that have not ended. */
  readonly pendingChildren: readonly PendingChild[];
}

export interface PendingChild {
  readonly workflowId: string;
  readonly workflowType: string;
  readonly parentClosePolicy: 'TERMINATE' | 'ABANDON' | 'REQUEST_CANCEL';
  readonly isStarted: boolean;
}

export async function readFamily({ pool, schema }: Database, runId: string): Promise<Family> {
  return withSession(pool, async (client) => {
    const [start] = await readEventsAfter(client, schema, runId, 0, 1);
    const events = await readLinkEvents(client, schema, runId);
    return familyOf(runId, start, events);
  });
}

function familyOf(runId: string, start: HistoryEvent | undefined, events: readonly HistoryEvent[]): Family {
  const links = new RunLinks();
  for (const event of events) links.record(event);
  // A run whose start is broken is described too.
  const meta: Partial<StartedMeta> | null = readStartMeta(start);
  const { workflowId = '', parent, root, startDelayMs = 0, backoffMs = 0 } = meta ?? {};
  return {
    parentExecution: parent === undefined ? undefined : { workflowId: parent.workflowId, runId: parent.runId },
    rootExecution: root ?? { workflowId, runId },
    executionTime: new Date((start?.at ?? 0) / 1000 + startDelayMs + backoffMs),
    pendingChildren: [...links.children.values()].map((child) => ({
      workflowId: child.workflowId,
      workflowType: child.workflowType,
      parentClosePolicy: child.meta.parentClose ?? 'TERMINATE',
      isStarted: child.isStarted,
    })),
  };
}
