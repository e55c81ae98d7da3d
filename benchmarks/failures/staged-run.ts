// A run of stages, one after the other, while its workers are killed: starts it, kills the worker that holds it, checks
// that nothing was lost or repeated, and reads its times from the log.
import type { WorkflowHandle } from 'reprise/client';
import { type Bench, pause } from '../bench.ts';
import { newId } from '../load.ts';
import { activityScheduled, events, eventsOfType, type LogEvent, workerLost } from '../log-reader.ts';
import type { FailureLab } from './failure-lab.ts';
import type { Failures } from './activities.ts';
import { checkEffects, checkLog, demand, demandEqual } from './run-checks.ts';
import { progressAfter } from './stage-value.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface Stages {
  readonly durations: readonly number[];
  /** The stages whose first execution fails, from 0, and how. */
  readonly failures?: Failures;
  /** When checkpoints are saved. */
  readonly checkpoints?: keyof typeof workflowOf;
}

const workflowOf = { automatic: 'staged', each: 'stagedSavingEach', none: 'stagedSavingNone' } as const;

/** Times are the database's, ms since 1970. */
export interface StagedRun {
  readonly runId: string;
  /** Time from the call of `start` to the result. */
  readonly clientMs: number;
  /** Time from the first event of the log to the last. */
  readonly totalMs: number;
  readonly closedAt: number;
  /** WorkerLost events: each is a takeover. */
  readonly takeovers: readonly LogEvent[];
  /** When each stage was scheduled. */
  readonly scheduled: readonly number[];
  /** The stages that were executed again, from 0. */
  readonly repeated: readonly number[];
}

export function even(count: number, ms: number): Stages {
  return { durations: Array.from({ length: count }, () => ms) };
}

/**
 * Starts a run, waits for its end and checks it. `disturb` may kill its workers, and resolves with the number of kills.
 * Each failure may repeat one stage.
 */
export async function stagedRun(
  lab: FailureLab,
  stages: Stages,
  disturb: (runId: string) => Promise<number> = async () => 0,
): Promise<StagedRun> {
  const { taskQueue } = lab;
  const { durations, failures = {}, checkpoints = 'automatic' } = stages;
  const begun = performance.now();
  const handle = await lab.bench.client.workflow.start(workflowOf[checkpoints], {
    workflowId: newId(),
    taskQueue,
    args: [durations, failures],
  });
  const timedResult = handle.result().then((result) => ({ result, clientMs: performance.now() - begun }));
  const [{ result, clientMs }, kills] = await Promise.all([timedResult, disturb(handle.runId)]);
  return { clientMs, ...(await checked(lab, handle, stages, result, kills)) };
}

async function checked(
  lab: FailureLab,
  handle: WorkflowHandle,
  { durations, failures = {} }: Stages,
  result: unknown,
  killsByOthers: number,
): Promise<Omit<StagedRun, 'clientMs'>> {
  const { pool } = lab.bench;
  const runId = handle.runId!;
  const kills = killsByOthers + Object.values(failures).filter((failure) => failure === 'kill').length;
  const expected = progressAfter(durations.length);
  demandEqual('result', result, expected);
  demandEqual('context', (await handle.stateAt()).state, expected);
  await checkLog(pool, runId);
  const repeated = checkEffects(
    lab.effects().filter((effect) => effect.runId === runId),
    durations.map((_, stage) => `stage ${stage}`),
    killsByOthers + Object.values(failures).filter((failure) => failure !== 'hang').length,
  );
  const takeovers = await eventsOfType(pool, runId, workerLost);
  // A worker that is killed between its claim and its first append leaves no trace in the log.
  const isPlausible = takeovers.length <= kills && (kills === 0 || takeovers.length > 0);
  demand(isPlausible, 'number of takeovers', takeovers.length, `1 to ${kills}`);
  const all = await events(pool, runId, 1, 1_000_000);
  return {
    runId,
    totalMs: all.at(-1)!.at - all[0]!.at,
    closedAt: all.at(-1)!.at,
    takeovers,
    scheduled: all.filter(({ type }) => type === activityScheduled).map(({ at }) => at),
    repeated: repeated.map((label) => Number(label.split(' ')[1])),
  };
}

/**
 * Kills the worker of the run again and again, each time after the next value of `pauses` in ms, until the run closes.
 * A kill waits until another worker is ready. If the run is in no worker then, nobody is killed. Resolves with the number
 * of kills.
 */
export async function killByClock(
  { pool }: Bench,
  workers: WorkerPool,
  runId: string,
  pauses: Iterable<number>,
): Promise<number> {
  let kills = 0;
  for (const ms of pauses) {
    await pause(ms);
    await workers.haveStarted(2);
    const { rows } = await pool.query('select from reprise.ready where run_id = $1', [runId]);
    if (rows.length === 0) break;
    if (await workers.killOwner(runId)) kills += 1;
  }
  return kills;
}
