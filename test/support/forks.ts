// Makes forks for tests, and checks what must hold for every fork.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from 'reprise/client';
import type { ForkRequest } from '../../runtime/core/recovery/fork-plan.ts';
import { readHistory, type StoredEvent } from '../../runtime/store/log/history.ts';
import { forkRun } from '../../runtime/store/runs/fork-run.ts';
import { isLockTimeout } from '../../runtime/store/sql/sqlstate.ts';
import type { TestEngine } from './engine.ts';

export class Forks {
  readonly #engine: TestEngine;

  constructor(engine: TestEngine) {
    this.#engine = engine;
  }

  /** Forks a run as soon as no worker owns it. */
  async fork(runId: string, point: number, given: Partial<ForkRequest> = {}): Promise<WorkflowHandle> {
    const request: ForkRequest = {
      ...{ requestId: randomUUID(), verb: 'reset', runId, point, reason: 'test', actor: 'tester', reapplies: false },
      ...given,
    };
    const { connection, client, pool, until } = this.#engine;
    const forkId = await until(async () => {
      try {
        const outcome = await forkRun(connection.database, request);
        return 'runId' in outcome && outcome.runId;
      } catch (error) {
        if (!isLockTimeout(error)) throw error;
        return undefined;
      }
    });
    const { rows } = await pool.query<{ id: string }>('select workflow_id as id from reprise.runs where run_id = $1', [
      forkId,
    ]);
    return client.workflow.getHandle(rows[0]!.id, forkId);
  }

  async historyOf(runId: string): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const page of readHistory(this.#engine.connection.database, runId)) events.push(...page);
    return events;
  }

  /** The seq of the first event for which `is` holds. */
  async seqOf(runId: string, is: (event: StoredEvent) => boolean): Promise<number> {
    return (await this.historyOf(runId)).find(is)!.seq;
  }

  /** Resolves when the log holds such an event, with its seq. */
  logged(runId: string, is: (event: StoredEvent) => boolean): Promise<number> {
    return this.#engine.until(async () => (await this.historyOf(runId)).find(is)?.seq);
  }

  /** Checks the hash chain along the line. */
  async assertVerified(runId: string): Promise<void> {
    const { rows } = await this.#engine.pool.query<{ ok: boolean; problem: string | null }>(
      'select ok, problem from reprise_audit.verify($1)',
      [runId],
    );
    assert.deepEqual(rows, [{ ok: true, problem: null }]);
  }
}

/** Where a history can be forked: at the end of what its start wrote, and of every turn but the last. */
export function forkPoints(events: readonly StoredEvent[]): number[] {
  const inherits = events[1]?.type === 'ContextPatched' && events[1].answers === 1 && events[1].hash === null;
  const ends = events.flatMap(({ seq, hash }) => (hash !== null && seq < events.length ? [seq] : []));
  return [inherits ? 2 : 1, ...ends];
}
