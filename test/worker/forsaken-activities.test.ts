// A standalone activity that was moved to a queue without workers while it ran. The client that sent its outcome died
// before it could process the outcome.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Worker } from 'reprise/worker';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { decodeTaskToken } from '../../runtime/core/activity/task-token.ts';
import { endByClient } from '../../runtime/store/activities/async-completion.ts';
import { handedOver } from '../support/fixtures/activities.ts';
import * as tools from '../support/fixtures/tools.ts';
import { quiet, testEngine, until } from '../support/engine.ts';

const { client, connection, pool } = await testEngine();
const worker = await Worker.create({ connection, taskQueue: 'tools', activities: tools, logger: quiet });
const running = worker.run();
after(async () => {
  worker.shutdown();
  await running;
});

test('workers of other queues process the outcome after some seconds', { timeout: 120_000 }, async () => {
  const options = { id: 'a', taskQueue: 'tools', startToCloseTimeout: '10 minutes' } as const;
  const handle = await client.activity.start('handOver', { ...options, args: ['forsaken'] });
  const token = await until(async () => handedOver.get('forsaken 1'));
  await until(async () => (await handle.describe()).runState === 'STARTED');
  await handle.updateOptions({ taskQueue: 'nobody' });
  // The same as a client that dies after it has sent its message.
  const outcome = { type: 'ActivityCompleted', payload: encodePayload(true), reason: null } as const;
  const sent = await endByClient(connection.database, decodeTaskToken(Buffer.from(token, 'base64')), outcome);
  assert.equal(typeof sent, 'object');
  // As if ten seconds passed.
  await pool.query(`update reprise.ready set wake_at = wake_at - interval '10 seconds' where owner is null`);
  assert.equal(await handle.result(), true);
});
