// Activities of the questions that lose workers. Each logs its execution outside the database first.
import { setTimeout as wait } from 'node:timers/promises';
import { activityInfo, heartbeat } from 'reprise/activity';
import { isFirstEntry, logEffect } from './effect-log.ts';
import { stageValue } from './stage-value.ts';

/** `kill`: the worker process dies. `hang`: it never answers, until somebody kills it. */
export type Failure = 'error' | 'kill' | 'hang';
/** How the first executions of stages fail. */
export type Failures = Readonly<Record<number, Failure>>;

/** Takes `ms`. With `failure`, the first execution fails at its start. */
export async function work(stage: number, ms: number, failure: Failure | null): Promise<number> {
  logEffect(`stage ${stage}`);
  if (failure !== null && isFirstEntry()) {
    if (failure === 'kill') process.kill(process.pid, 'SIGKILL');
    if (failure === 'hang') await new Promise(() => undefined);
    throw new Error(`stage ${stage} fails once`);
  }
  await wait(ms);
  return stageValue(stage);
}

/** Takes `slices` times `ms`, and continues where an earlier attempt reported to be. */
export async function longWork(slices: number, ms: number): Promise<number> {
  let slice = Number(activityInfo().heartbeatDetails ?? 0);
  for (; slice < slices; slice++) {
    logEffect(`slice ${slice}`);
    await wait(ms);
    heartbeat(slice + 1);
  }
  return slice;
}
