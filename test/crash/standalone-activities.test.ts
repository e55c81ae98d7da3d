// Standalone activities while their worker is killed: each activity ends once, with its result and an intact log.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { settlingFailPoints } from '../../runtime/worker/life/fail-point.ts';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, exited, kill, tally } from './crash-lab.ts';

const lab = await crashLab();
const ofTools = { tools: true, taskQueue: 'tools' } as const;
const count = 8;

for (const failPoint of [...settlingFailPoints, 'task claimed', 'before report', 'after report'] as const) {
  // Activities that arrive together are claimed and reported together.
  for (const hits of failPoint.startsWith('settl') ? [1, 5, 12] : [1]) {
    it(`loses nothing: ${failPoint}, time ${hits}`, async () => {
      const before = (await lab.effects()).length;
      const handles = await Promise.all(
        Array.from({ length: count }, (_, i) =>
          lab.client.activity.start('double', {
            id: `${failPoint} ${hits} ${i}`,
            taskQueue: 'tools',
            args: [i],
            startToCloseTimeout: '20 s',
            retry: { maximumAttempts: 1 },
          }),
        ),
      );
      const doomed = await lab.worker({ ...ofTools, failPoint, hits });
      await exited(doomed);
      const survivor = await lab.worker(ofTools);
      const results = await Promise.all(handles.map((handle) => handle.result()));
      assert.deepEqual(
        results,
        handles.map((_, i) => i * 2),
      );
      for (const { runId } of handles) await checkLog(lab.pool, runId!);
      const effects = tally((await lab.effects()).slice(before).filter((line) => line.startsWith('double')));
      assert.equal(effects.size, count);
      assert.ok([...effects.values()].every((times) => times <= 2));
      await until(async () => (await lab.pool.query('select 1 from reprise.ready')).rows.length === 0);
      await kill(survivor);
    });
  }
}
