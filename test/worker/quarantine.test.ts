// Only the run that the engine cannot continue goes into quarantine. A hundred other runs complete, the worker keeps
// its epoch, and no activity is executed twice. The run completes once its fault is repaired.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Client, Connection, type WorkflowHandle } from 'reprise/client';
import { activityInfo } from 'reprise/activity';
import type { Worker } from 'reprise/worker';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { testDatabase } from '../support/database.ts';
import * as activities from '../support/fixtures/activities.ts';
import { fixtureWorker, until } from '../support/engine.ts';

const { url, pool } = await testDatabase();
const connection = await Connection.connect({ connectionString: url });
/** A client with a separate connection, which the engine treats like another process. */
const elsewhere = new Client({ connection: await Connection.connect({ connectionString: url }) });
after(async () => {
  await elsewhere.connection.close();
  await connection.close();
});

const healthyCount = 100;

/**
 * The idempotency key of each activity of a healthy run that starts. A key that occurs twice means a repeated activity.
 */
const begun: string[] = [];
const counted = {
  ...activities,
  record: async (what: string, i: number) => {
    begun.push(activityInfo().idempotencyKey);
    return activities.record(what, i);
  },
};

function worker(taskQueue: string, maxCachedRuns = 1_000): Promise<Worker> {
  return fixtureWorker(connection, taskQueue, { activities: counted, maxCachedRuns, shutdownGraceTime: 0 });
}

async function query<T extends object>(text: string, values: unknown[]): Promise<T[]> {
  return (await pool.query<T>(text, values)).rows;
}

async function epochs(taskQueue: string): Promise<number> {
  return (await query('select 1 from reprise.workers where queue = $1', [`default/${taskQueue}`])).length;
}

/** Sends a message as a client does, but without a notice and with a message type that no version knows. */
async function sendUnknown(runId: string): Promise<void> {
  await pool.query(
    `with r as (update reprise.ready set mail = mail + 1,
       wake_at = case when owner is null then least(wake_at, clock_timestamp()) else wake_at end
     where run_id = $1 returning mail, owner)
     insert into reprise.inbox (run_id, id, owner, type, name, payload) select $1, mail, owner, 999, 'add', $2 from r`,
    [runId, Buffer.from(encodePayload([7]))],
  );
}

/** Changes the type of the message to a type that this version knows. */
async function mendMessage(runId: string): Promise<void> {
  await pool.query('update reprise.inbox set type = 40 where run_id = $1 and type = 999', [runId]);
}

/** Starts the healthy runs, as from another process, before a worker polls the queue. */
function startHealthy(taskQueue: string): Promise<WorkflowHandle[]> {
  return Promise.all(
    Array.from({ length: healthyCount }, (_, i) =>
      elsewhere.workflow.start('chain', { workflowId: `${taskQueue}-${i}`, taskQueue, args: [3] }),
    ),
  );
}

async function assertHealthy(handles: readonly WorkflowHandle[]): Promise<void> {
  for (const handle of handles) assert.equal(await handle.result(), 3);
  assert.equal(new Set(begun).size, begun.length, 'no activity is executed twice');
}

interface Sickness {
  readonly name: string;
  readonly workflow: 'accumulate' | 'slowStep';
  readonly cause: string;
  readonly message: RegExp;
  readonly expected: unknown;
  infect(runId: string): Promise<unknown>;
  heal(runId: string): Promise<unknown>;
}

/** A fault in the log: `infect` changes a column of an event, and `heal` restores the column. */
function edited(seq: number, column: 'meta' | 'type', value: string): Pick<Sickness, 'infect' | 'heal'> {
  let before: { value: unknown } | undefined;
  return {
    infect: async (runId) => {
      const where = `where run_id = '${runId}' and seq = ${seq}`;
      [before] = await query<{ value: unknown }>(`select ${column}::text as value from reprise.events ${where}`, []);
      await pool.query(`update reprise.events set ${column} = '${value}' ${where}`);
    },
    heal: (runId) =>
      pool.query(
        `update reprise.events set ${column} = $3::text::${column === 'meta' ? 'json' : 'smallint'}
        where run_id = $1 and seq = $2`,
        [runId, seq, before!.value],
      ),
  };
}

const sicknesses: readonly Sickness[] = [
  {
    name: 'the meta of whose start is broken',
    ...{ workflow: 'accumulate', cause: 'TypeError', message: /null/, expected: 7 },
    ...edited(1, 'meta', 'null'),
  },
  {
    name: 'with an event of an unknown type',
    ...{ workflow: 'accumulate', cause: 'UNSUPPORTED_ENGINE', message: /code 999 is unknown/, expected: 7 },
    ...edited(2, 'type', '999'),
  },
  {
    name: 'the fold of whose log throws',
    ...{ workflow: 'accumulate', cause: 'TypeError', message: /null/, expected: 7 },
    // A turn without other events ends with an event of this type. Only versioned workers write meta into that event.
    ...edited(2, 'meta', '{"version":null,"behavior":"PINNED"}'),
  },
  {
    name: 'whose stored progress cannot be decoded',
    ...{ workflow: 'slowStep', cause: 'PAYLOAD_UNREADABLE', message: /payload/i, expected: 'slept 2' },
    infect: (runId) =>
      pool.query(
        `insert into reprise.activity_heartbeats (run_id, seq, details)
         select run_id, seq, '\\xff' from reprise.events where run_id = $1 and type = 20`,
        [runId],
      ),
    heal: (runId) => pool.query('delete from reprise.activity_heartbeats where run_id = $1', [runId]),
  },
  {
    name: 'that has a message of an unknown type',
    ...{ workflow: 'accumulate', cause: 'UNSUPPORTED_ENGINE', message: /code 999 is unknown/, expected: 14 },
    infect: sendUnknown,
    heal: mendMessage,
  },
];

describe('beside a hundred healthy runs', () => {
  for (const [i, { name, workflow, cause, message, expected, infect, heal }] of sicknesses.entries()) {
    it(`only a run ${name} goes into quarantine, and it completes once it is fixed`, async () => {
      const taskQueue = `sick-${i}`;
      const first = await worker(taskQueue);
      const sick = await first.runUntil(async () => {
        const args = workflow === 'slowStep' ? [1_000] : [];
        const handle = await elsewhere.workflow.start(workflow, { workflowId: `sick-${i}`, taskQueue, args });
        await until(async () => (await handle.describe()).historyLength > 1);
        return handle;
      });
      const { runId } = sick;
      await infect(runId);
      if (workflow === 'accumulate') await sick.signal('add', 7);
      const healthy = await startHealthy(taskQueue);
      const before = await epochs(taskQueue);
      const second = await worker(taskQueue);
      await second.runUntil(async () => {
        await assertHealthy(healthy);
        const { quarantine, status } = await until(async () => {
          const described = await sick.describe();
          return described.quarantine !== undefined && described.owner === undefined && described;
        });
        assert.equal(status.name, 'RUNNING');
        assert.deepEqual([quarantine?.code, quarantine?.cause], ['RUN_QUARANTINED', cause]);
        assert.match(quarantine!.message, message);
        assert.ok(quarantine!.nextAttempt > quarantine!.since);
        assert.equal(quarantine!.epoch, second.getStatus().epoch);
        // A run in quarantine takes no slot of the cache while it waits.
        assert.equal(second.getStatus().cachedRuns, 0);
        await heal(runId);
        if (workflow === 'accumulate') await sick.signal('finish');
        assert.equal(await sick.result(), expected);
        assert.equal(await epochs(taskQueue), before + 1, 'the worker keeps its epoch');
        await until(
          async () => (await query('select from reprise.quarantine where run_id = $1', [runId])).length === 0,
        );
      });
    });
  }
});

it('arguments that cannot be decoded fail only the task of that run', async () => {
  const taskQueue = 'arguments';
  const sick = await elsewhere.workflow.start('greet', { workflowId: 'arguments', taskQueue, args: ['Ada'] });
  const [start] = await query<{ payload: Buffer }>('select payload from reprise.events where run_id = $1 and seq = 1', [
    sick.runId,
  ]);
  const setPayload = (payload: Buffer) =>
    pool.query('update reprise.events set payload = $2 where run_id = $1 and seq = 1', [sick.runId, payload]);
  await setPayload(Buffer.from([0xff, 1, 2]));
  const healthy = await startHealthy(taskQueue);
  const only = await worker(taskQueue);
  await only.runUntil(async () => {
    await assertHealthy(healthy);
    const { taskFailure } = await until(async () => {
      const described = await sick.describe();
      return described.taskFailure !== undefined && described;
    });
    assert.equal(taskFailure?.code, 'PAYLOAD_UNREADABLE');
    await setPayload(start!.payload);
    assert.equal(await sick.result(), 'Hello, Ada!');
    assert.equal(await epochs(taskQueue), 1);
  });
});

it('a message of an unknown type does not stop the run’s activity, and the activity’s result is kept', async () => {
  const taskQueue = 'at-work';
  const only = await worker(taskQueue);
  await only.runUntil(async () => {
    const sick = await elsewhere.workflow.start('slowStep', { workflowId: 'at-work', taskQueue, args: [400] });
    const { runId } = sick;
    await until(async () => (await sick.describe()).historyLength > 1);
    await sendUnknown(runId);
    // The message arrives while the activity still runs.
    const { quarantine } = await until(async () => {
      const described = await sick.describe();
      return described.quarantine !== undefined && described;
    });
    assert.equal(quarantine?.cause, 'UNSUPPORTED_ENGINE');
    const healthy = await startHealthy(taskQueue);
    await assertHealthy(healthy);
    await until(async () => (await sick.describe()).owner === undefined);
    assert.deepEqual(
      (await sick.history()).filter(({ type }) => type.startsWith('Activity')).map(({ type }) => type),
      ['ActivityScheduled', 'ActivityCompleted'],
    );
    await mendMessage(runId);
    assert.equal(await sick.result(), 'slept 1');
    assert.equal(await epochs(taskQueue), 1);
  });
});

it('a run whose log another writer has appended to is rebuilt from the log', async () => {
  const taskQueue = 'conflict';
  const only = await worker(taskQueue);
  await only.runUntil(async () => {
    const sick = await elsewhere.workflow.start('accumulate', { workflowId: 'conflict', taskQueue });
    await sick.signal('add', 1);
    const { historyLength } = await until(async () => {
      const described = await sick.describe();
      return described.historyLength > 1 && described.unreadMail === 0 && described;
    });
    await pool.query(
      `insert into reprise.events (run_id, at, seq, type, name, payload) values ($1, clock_timestamp(), $2, 40, 'add', $3)`,
      [sick.runId, historyLength + 1, Buffer.from(encodePayload([10]))],
    );
    const healthy = await startHealthy(taskQueue);
    await sick.signal('add', 100);
    await assertHealthy(healthy);
    await sick.signal('finish');
    assert.equal(await sick.result(), 111);
    assert.equal(await epochs(taskQueue), 1);
  });
});

it('messages to a run in quarantine do not load the run before its next try', async () => {
  const taskQueue = 'patient';
  const sick = await elsewhere.workflow.start('accumulate', { workflowId: 'patient', taskQueue });
  const { infect, heal } = edited(1, 'meta', 'null');
  await infect(sick.runId);
  const only = await worker(taskQueue);
  await only.runUntil(async () => {
    const third = await until(async () => {
      const { quarantine } = await sick.describe();
      return quarantine !== undefined && quarantine.attempt >= 3 && quarantine;
    });
    for (let i = 0; i < 20; i++) await sick.signal('add', 1);
    const { quarantine } = await sick.describe();
    assert.ok(quarantine!.attempt <= third.attempt + 1, 'twenty messages are no twenty tries');
    await heal(sick.runId);
    await sick.signal('finish');
    assert.equal(await sick.result(), 20);
  });
});
