// Postgres crashes during a run and restarts. Workers reconnect without help and finish the run.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import pg from 'pg';
import { startOwnPostgres } from '../support/cluster.ts';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, tally, taskQueue } from './crash-lab.ts';

const postgres = await startOwnPostgres();
const pool = new pg.Pool({ connectionString: postgres.url });
pool.on('error', () => undefined); // the pool's sessions end with the server
const lab = await crashLab({ url: postgres.url, pool });

it('a run survives an immediate stop of Postgres', async () => {
  const items = 400;
  await lab.worker();
  const handle = await lab.client.workflow.start('tallyAll', { workflowId: 'crash', taskQueue, args: [items, 4] });
  await until(async () => (await lab.effects()).length > 40);
  await postgres.stop('immediate');
  await postgres.start();
  const result = await until(async () => handle.result().catch(() => undefined));
  assert.equal(result, items);
  await checkLog(pool, handle.runId);
  const effects = tally((await lab.effects()).filter((line) => line.startsWith('tally')));
  assert.equal(effects.size, items);
  await pool.end();
});
