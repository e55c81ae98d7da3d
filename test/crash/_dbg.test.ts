import { it } from 'node:test';
import { crashLab, kill, taskQueue } from './crash-lab.ts';
const lab = await crashLab();
it('x', async () => {
  {
  const handle = await lab.client.workflow.start('accumulate', { workflowId: 'signals', taskQueue });
  for (let round = 0; round < 5; round++) {
    const worker = await lab.worker(round % 2 === 0 ? {} : { failPoint: 'before append', hits: 3 });
    for (let i = 1; i <= 20; i++) await handle.signal('add', i);
    await kill(worker);
  }
  await lab.worker();
  await handle.signal('finish');
  await handle.result();
  }
  console.log('first part done');
  await lab.worker();
  console.log('second worker');
  for (let round = 0; round < 60; round++) {
    const handle = await lab.client.workflow.start('countSignals', { workflowId: `closing ${round}`, taskQueue });
    let refused = false, n = 0;
    const sending = (async () => { while (!refused) { try { await handle.signal('add', 1); n++; } catch { refused = true; } } })();
    const r = await Promise.race([handle.result(), new Promise((r) => setTimeout(r, 4000, 'HANG'))]);
    if (r === 'HANG') {
      console.log('hang at', round, 'signals', n);
      const q = async (t: string) => console.log(t, JSON.stringify((await lab.pool.query(t, [handle.runId])).rows).slice(0, 3000));
      await q('select * from reprise.ready where run_id=$1'); await q('select id, owner, type from reprise.inbox where run_id=$1 order by id'); await q('select seq,type,answers,name,hash is not null h from reprise.events where run_id=$1 order by seq');
      await q("select epoch, dead_reason from reprise.workers where $1::text is not null");
      await q("select pid, state, wait_event_type, wait_event, left(query,150) q, now()-xact_start age from pg_stat_activity where datname=current_database() and $1::text is not null and xact_start is not null");
      process.exit(1);
    }
    await sending;
  }
});
