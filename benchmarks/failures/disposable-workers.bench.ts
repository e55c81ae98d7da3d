// BM-11: pipelines whose worker dies in their second node, and whose publication fails once. No hand starts a
// replacement. Are all of them completed, healed and equal to their replay, and how many is that in a second?
import { isDeepStrictEqual } from 'node:util';
import type { WorkflowHandle } from 'reprise/client';
import { pause } from '../bench.ts';
import { inFlight, newId } from '../load.ts';
import { activityCompleted, contextPatched, eventsOfType, workerLost } from '../log-reader.ts';
import type { Question } from '../question.ts';
import { figure } from '../statistics.ts';
import { FailureLab } from './failure-lab.ts';
import { type Death, pipelineEnd } from './pipeline-activities.ts';
import { checkEffects, checkLog, demandEqual } from './run-checks.ts';
import { WorkerPool } from './worker-pool.ts';

const workerCount = 3;
const nodes = ['collect', 'transform', 'publish'];
/** The initial document, and four patches of the workflow. */
const patchesEach = 5;
/** A worker dies when so many pipelines, which are all it takes at once, are in their second node. */
const heldAtDeath = 50;

const code = {
  workflows: new URL('./pipeline.ts', import.meta.url),
  activities: new URL('./pipeline-activities.ts', import.meta.url),
};

export const question: Question = {
  id: 'BM-11',
  title: `disposable workers: pipelines of 3 nodes, each loses its worker in node 2; ${workerCount} workers`,
  size: { of: 'pipelines', usual: 1000 },
  isLong: true,
  async run(bench, { size }) {
    return FailureLab.open(
      bench,
      'disposable-workers',
      async (lab) => {
        const none = async (): Promise<number> => 0;
        const simulated = await WorkerPool.open(lab, workerCount, async () => {
          await pipelines(lab, Math.min(size, 200), 'simulated', none); // warms up
          return pipelines(lab, size, 'simulated', none);
        });
        const killed = await WorkerPool.open(
          lab,
          workerCount,
          (workers) => pipelines(lab, size, 'process', (runs) => killHolders(lab, workers, runs)),
          { maxConcurrentActivities: heldAtDeath },
        );
        const note = 'all seven counts equal';
        return [
          {
            name: 'each death simulated by an error',
            unit: 'pipelines/s',
            values: [simulated.rate],
            better: 'higher',
            note,
          },
          {
            name: 'worker processes killed',
            unit: 'pipelines/s',
            values: [killed.rate],
            better: 'higher',
            note: `${size} in ${figure(size / killed.rate)} s, ${killed.kills} kills; ${note}`,
          },
        ];
      },
      code,
    );
  },
};

/** Starts all pipelines, waits for their ends, and checks and counts them. `kill` resolves with the number of kills. */
async function pipelines(
  lab: FailureLab,
  size: number,
  death: Death,
  kill: (runs: readonly WorkflowHandle[]) => Promise<number>,
): Promise<{ rate: number; kills: number }> {
  const { client } = lab.bench;
  const { taskQueue } = lab;
  const handles: WorkflowHandle[] = [];
  const begun = performance.now();
  await inFlight(size, 200, async (item) => {
    handles[item] = await client.workflow.start('pipeline', { workflowId: newId(), taskQueue, args: [item, death] });
  });
  const [results, kills] = await Promise.all([Promise.all(handles.map((handle) => handle.result())), kill(handles)]);
  const rate = (size / (performance.now() - begun)) * 1000;
  await check(lab, handles, results, death);
  return { rate, kills };
}

/**
 * Kills each worker that has only pipelines in their second node, and in the end all that have one. Resolves when each
 * pipeline has lost its worker.
 */
async function killHolders(lab: FailureLab, workers: WorkerPool, runs: readonly WorkflowHandle[]): Promise<number> {
  const runIds = new Set(runs.map(({ runId }) => runId));
  let kills = 0;
  for (;;) {
    // A pipeline's first entry in `transform` is the one that hangs; its second ends.
    const entries = lab.effects().filter(({ label, runId }) => label === 'transform' && runIds.has(runId));
    const living = entries.filter(
      ({ pid, runId }) => workers.has(pid) && entries.filter((each) => each.runId === runId).length === 1,
    );
    const waiting = runs.length - new Set(entries.map(({ runId }) => runId)).size;
    if (living.length === 0 && waiting === 0) return kills;
    const held = Map.groupBy(living, ({ pid }) => pid);
    for (const [pid, those] of held) {
      if (those.length < heldAtDeath && waiting > 0) continue;
      workers.kill(pid);
      kills += 1;
    }
    await pause(50);
  }
}

/** The seven counts of the source system, each of which must be the number of pipelines (of patches, five times it). */
async function check(
  lab: FailureLab,
  handles: readonly WorkflowHandle[],
  results: readonly unknown[],
  death: Death,
): Promise<void> {
  const { pool } = lab.bench;
  const counts = { completed: 0, terminated: 0, healed: 0, published: 0, replayEqual: 0, intact: 0, patches: 0 };
  const effects = Map.groupBy(lab.effects(), ({ runId }) => runId);
  await inFlight(handles.length, 8, async (item) => {
    const handle = handles[item]!;
    const runId = handle.runId!;
    const end = pipelineEnd(item);
    if (isDeepStrictEqual(results[item], end)) counts.completed += 1;
    const own = effects.get(runId) ?? [];
    if (own.filter(({ label }) => label === 'transform').length > 1) counts.terminated += 1;
    if ((await eventsOfType(pool, runId, activityCompleted)).length === nodes.length) counts.healed += 1;
    // Each death may repeat what was in flight: one node. The publication fails once on purpose.
    const deaths = death === 'process' ? (await eventsOfType(pool, runId, workerLost)).length : 1;
    checkEffects(own, nodes, deaths + 1);
    if (own.filter(({ label }) => label === 'publish').length > 1) counts.published += 1;
    if (isDeepStrictEqual((await handle.stateAt()).state, end)) counts.replayEqual += 1;
    await checkLog(pool, runId);
    counts.intact += 1;
    const patches = await eventsOfType(pool, runId, contextPatched);
    counts.patches += patches.length;
  });
  const all = handles.length;
  demandEqual('counts', counts, {
    completed: all,
    terminated: all,
    healed: all,
    published: all,
    replayEqual: all,
    intact: all,
    patches: all * patchesEach,
  });
}
