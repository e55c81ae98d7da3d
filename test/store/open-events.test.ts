// Compares the fold of the events that SQL selects for recovery and describe() with the fold of the whole log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type pg from 'pg';
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import { type RunSnapshot, RunState } from '../../runtime/core/run/run-state.ts';
import { eventColumns, EventRows } from '../../runtime/store/codec/event-rows.ts';
import { readRunVersioning } from '../../runtime/store/deployments/deployments.ts';
import { readLinkEvents, readOpenEvents } from '../../runtime/store/log/history.ts';
import { newRunId, runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { randomLog } from '../support/random-log.ts';
import { historyOf, testStore } from '../support/store.ts';

const store = await testStore();
const { database, pool } = store;

/**
 * Removes the scheduled arguments of activities. readOpenEvents leaves them out; recovery reads those of pending
 * activities separately.
 */
function withoutArguments(snapshot: RunSnapshot): RunSnapshot {
  const activities = [...snapshot.activities].map(
    ([seq, activity]) => [seq, activity.argsSeq > 0 ? activity : { ...activity, args: null }] as const,
  );
  return { ...snapshot, activities: new Map(activities) };
}

async function reading<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
  }
}

async function insertLog(runId: string, events: readonly HistoryEvent[]): Promise<void> {
  await reading(async (client) => {
    const rows = await EventRows.open(client, 'reprise');
    for (const event of events) rows.add(runIdBytes(runId), event);
    const from = 'from unnest($1::reprise.new_event[]) as e';
    await client.query(`insert into reprise.events (${eventColumns}) select ${eventColumns} ${from}`, [rows.take()]);
  });
}

test('the open events fold to the same state, links and version as the whole log', async () => {
  await fc.assert(
    fc.asyncProperty(randomLog(newRunId(), 20), fc.nat(), async (log, cut) => {
      // The whole log, and a prefix of the log that ends with a turn or right after the start.
      const ends = log.flatMap(({ seq, hash }) => (hash !== null || seq === 1 ? [seq] : []));
      for (const length of [log.length, ends[cut % ends.length]!]) {
        const runId = newRunId();
        await insertLog(runId, log.slice(0, length));
        const whole = await historyOf(store, runId);
        const state = RunState.of(runId, whole);
        const open = await readOpenEvents(database, runId);
        assert.deepEqual(RunState.of(runId, open).snapshot(), withoutArguments(state.snapshot()));
        // The read of links that the end of a run uses, and the read of versioning that queries use.
        const links = RunState.of(runId, await reading((client) => readLinkEvents(client, 'reprise', runId))).links;
        assert.deepEqual(links, state.links);
        assert.deepEqual(await readRunVersioning(pool, 'reprise', runId), state.versioning);
      }
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 100) },
  );
});
