// Workers are killed while runs update their memo and attributes. The row of a run is always the fold of its log.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkLog, crashLab, exited, taskQueue } from './crash-lab.ts';

const lab = await crashLab();
const count = 30;

interface Properties {
  memo: Record<string, unknown> | null;
  attributes: Record<string, unknown> | null;
}

/** Reads memo and attributes in one statement: those of the run's row and those that the log implies. */
async function rowAndFold(runId: string): Promise<[Properties, Properties]> {
  const { rows } = await lab.pool.query<Properties & { metas: { memo?: object; searchAttributes?: object }[] | null }>(
    `select memo, search_attributes as attributes, (select array_agg(e.meta::jsonb order by e.seq) from reprise.events e
       where e.run_id = r.run_id and e.type in (90, 91)) as metas from reprise.runs r where run_id = $1`,
    [runId],
  );
  const { memo, attributes, metas } = rows[0]!;
  const fold = (key: 'memo' | 'searchAttributes'): Record<string, unknown> | null => {
    const all = Object.assign({}, ...(metas ?? []).map((meta) => meta[key])) as Record<string, unknown>;
    const left = Object.entries(all).filter(([, value]) => value !== null);
    return left.length === 0 ? null : Object.fromEntries(left);
  };
  return [
    { memo, attributes },
    { memo: fold('memo'), attributes: fold('searchAttributes') },
  ];
}

it('the row is the fold of the log at every moment, whenever a worker is killed', async () => {
  const handle = await lab.client.workflow.start('tellsProgress', { workflowId: 'told', taskQueue, args: [count] });
  const runId = handle.runId;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const [row, fold] = await rowAndFold(runId);
      assert.deepEqual(row, fold);
    }
  })();
  for (const failPoint of ['before append', 'after append', 'before append', 'after append'] as const) {
    const worker = await lab.worker({ failPoint, hits: 6 });
    await exited(worker);
    const [row, fold] = await rowAndFold(runId);
    assert.deepEqual(row, fold);
  }
  await lab.worker();
  assert.equal(await handle.result(), count);
  isOver = true;
  await watching;
  await checkLog(lab.pool, runId);
  const [row] = await rowAndFold(runId);
  assert.deepEqual(row, {
    memo: { [`item ${count - 1}`]: count - 1, [`item ${count}`]: count },
    attributes: { Done: count },
  });
});
