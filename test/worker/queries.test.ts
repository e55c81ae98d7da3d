// Queries that two polls read at the same time.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testEngine, until } from '../support/engine.ts';

const engine = await testEngine();

it('a query is answered once, even if a second poll reads it before the answer is stored', async (t) => {
  const handle = await engine.start('accumulate');
  await until(async () => (await handle.describe()).historyLength > 1);
  const { pool } = engine.connection.database;
  const before = pool.query;
  const original = pool.query.bind(pool) as unknown as (...args: unknown[]) => Promise<unknown>;
  t.after(() => {
    pool.query = before;
  });
  const answers: unknown[] = [];
  const [reread, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let reads = 0;
  // Holds the answer back until a second poll has read the request as open. That poll continues once the answer is
  // stored.
  const query = async (...args: unknown[]): Promise<unknown> => {
    const { name = '', values = [] } = args[0] as { name?: string; values?: unknown[] };
    if (name.startsWith('reprise_answer_')) {
      answers.push(values[0]);
      await reread.promise;
    }
    const result = await original(...args);
    if (name.startsWith('reprise_open_requests_') && (result as { rowCount: number }).rowCount > 0 && ++reads > 1) {
      reread.resolve();
      await answered.promise;
    }
    return result;
  };
  pool.query = query as unknown as typeof before;
  assert.equal(await handle.query('total'), 0);
  answered.resolve();
  // The answer to this second query shows that the second poll has continued.
  await handle.query('total');
  assert.equal(new Set(answers).size, answers.length);
  await handle.terminate();
});
