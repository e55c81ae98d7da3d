// The migration of a newer version adds columns while a worker of this version runs.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { Client, Connection } from 'reprise/client';
import { testDatabase } from '../support/database.ts';
import { fixtureWorker } from '../support/engine.ts';

const tables = [
  ...['activity_heartbeats', 'activity_tasks', 'deployment_versions', 'events', 'fences', 'inbox', 'leases', 'outbox'],
  ...['ready', 'requests', 'runs', 'workers'],
];

let stop = async (): Promise<void> => undefined;
after(() => stop());
const database = await testDatabase();

test('new columns in all tables do not break the prepared statements of a worker and a client', async () => {
  const complaints: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void complaints.push(line) });
  const connection = await Connection.connect({ connectionString: database.url });
  const taskQueue = 'columns';
  const worker = await fixtureWorker(connection, taskQueue, { logger, maxCachedRuns: 1 });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
    await connection.close();
  };
  const client = new Client({ connection });
  const work = async (round: string): Promise<void> => {
    const sums = await Promise.all(
      [1, 2, 3].map((i) => client.workflow.start('accumulate', { workflowId: `${round} ${i}`, taskQueue })),
    );
    await client.workflow.execute('chain', { workflowId: `${round} chain`, taskQueue, args: [3] });
    await client.workflow.execute('nap', { workflowId: `${round} nap`, taskQueue, args: [20] });
    const counting = await client.workflow.start('countOn', { workflowId: `${round} on`, taskQueue, args: [1] });
    await counting.signal('add', 1);
    await counting.signal('finish');
    assert.equal(await counting.result(), 1);
    for (const sum of sums) {
      await sum.signal('add', 2);
      assert.equal(await sum.query('total'), 2);
      await sum.signal('finish');
      assert.equal(await sum.result(), 2);
    }
  };
  await work('before');
  const { epoch } = worker.getStatus();
  for (const table of tables)
    await database.pool.query(`alter table reprise.${table} add column novelty int default 7`);
  await work('after');
  assert.equal(worker.getStatus().epoch, epoch);
  assert.deepEqual(complaints, []);
});
