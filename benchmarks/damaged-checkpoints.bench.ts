// BM-15: is every checkpoint with one changed byte passed over, and how fast are checkpoints and logs checked?
import { withWorkers } from './bench-worker.ts';
import { newId } from './load.ts';
import type { Question } from './question.ts';

const worker = { taskQueue: 'damage', workflows: new URL('./checkpoint-workflows.ts', import.meta.url).href };

export const question: Question = {
  id: 'BM-15',
  title: 'checkpoints with one changed byte, and a log with a changed event',
  size: { of: 'checkpoints', usual: 1_000 },
  async run({ client, pool }, { rounds, size }) {
    const workflowId = newId();
    await withWorkers([worker], () =>
      client.workflow.execute('saveEach', { workflowId, taskQueue: worker.taskQueue, args: [size] }),
    );
    const handle = client.workflow.getHandle(workflowId);
    const expected = JSON.stringify((await handle.stateAt()).state);
    const damaged = await pool.query(
      `update reprise.checkpoints set state = set_byte(state, place, get_byte(state, place) # (1 + seq % 255))
       from (select run_id, seq as of, (seq * 7919) % octet_length(state) as place from reprise.checkpoints) p
       where checkpoints.run_id = p.run_id and seq = of`,
    );
    const checks: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const begun = performance.now();
      const found = (await handle.checkpoints({ check: true })).filter(({ problem }) => problem !== undefined);
      checks.push((found.length / (performance.now() - begun)) * 1000);
      if (found.length !== damaged.rowCount)
        throw new Error(`${found.length} of ${String(damaged.rowCount)} were found.`);
    }
    if (JSON.stringify((await handle.stateAt()).state) !== expected) throw new Error('The state changed.');
    const rates: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const begun = performance.now();
      const { ok, events } = await handle.verify();
      if (!ok) throw new Error('A whole log was called changed.');
      rates.push((events / (performance.now() - begun)) * 1000);
    }
    const edited = await pool.query<{ seq: number }>(
      `update reprise.events set at = at + interval '1 second' where run_id = $1 and seq = $2 returning seq`,
      [(await handle.describe()).runId, size],
    );
    const { fault } = await handle.verify();
    if (fault === undefined || Math.abs(fault.seq - edited.rows[0]!.seq) > 2)
      throw new Error('The edited event was not named.');
    return [
      {
        name: `damaged checkpoints found of ${String(damaged.rowCount)}, each second`,
        unit: '/s',
        values: checks,
        better: 'higher',
      },
      { name: 'events verified', unit: '/s', values: rates, better: 'higher' },
    ];
  },
};
