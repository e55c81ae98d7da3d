// Replays a run with live activities: asks for a replay fork, waits until a worker has finished it, and reports on it.
// Imported on demand, because the reports load the code that compares runs.
import { holdRun } from '../../../runtime/store/retention/holds.ts';
import { StoredHistory } from '../../../runtime/store/log/stored-history.ts';
import { terminateUnowned } from '../../../runtime/store/runs/close-run.ts';
import { forkRun } from '../../../runtime/store/runs/fork-run.ts';
import { timerMsMax } from '../../../runtime/core/options/duration.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { LiveReplayOptions } from '../../../runtime/replay/live/live-options.ts';
import { type LiveEstimate, type LivePlan, planLive } from '../../../runtime/replay/live/live-plan.ts';
import { type LiveReplayReport, liveReport } from '../../../runtime/replay/live/live-report.ts';
import type { Connection } from '../../common/connection.ts';
import { limitReached, waitAtMost, whenAborted } from '../call-limits.ts';
import { sendMessage } from '../messages/send-message.ts';
import { rowOf, whenFree } from '../when-free.ts';

/** What a replay may cost. Writes nothing. @throws RuntimeError INVALID_INPUT, NOT_SUPPORTED */
export async function estimateLive(
  connection: Connection,
  runId: string,
  options: LiveReplayOptions,
): Promise<LiveEstimate> {
  const { estimate } = await connection.reach(async (database) =>
    planLive(await StoredHistory.open(database, runId), options),
  );
  return estimate;
}

/**
 * Resolves when the replay has ended. Needs a worker of the run's task queue.
 * @throws RuntimeError INVALID_INPUT, NOT_SUPPORTED; TIMEOUT with a deadline, then the replay is terminated
 */
export async function replayLive(
  connection: Connection,
  runId: string,
  options: LiveReplayOptions,
): Promise<LiveReplayReport> {
  const begun = performance.now();
  const plan = await connection.reach(async (database) => planLive(await StoredHistory.open(database, runId), options));
  const forkId = await makeFork(connection, plan);
  const isKept = options.keep === true;
  if (isKept) {
    const why = { reason: `replay of run ${runId} with keep`, actor: 'replay' };
    await connection.reach((database) => holdRun(database, forkId, why));
  }
  await untilClosed(connection, forkId);
  const ms = performance.now() - begun;
  return connection.reach(async (database) => {
    const origin = await StoredHistory.open(database, runId);
    return liveReport(origin, await StoredHistory.open(database, forkId), { plan, ms, isKept });
  });
}

async function makeFork(connection: Connection, { request }: LivePlan): Promise<string> {
  const made = await whenFree(connection, rowOf(request.runId), (database) => forkRun(database, request));
  if ('runId' in made) return made.runId;
  throw new RuntimeError('ASSERTION_FAILED', `A replay fork does not close run ${made.owned}.`);
}

/** A deadline of the caller ends the replay too, since nobody would read its report. */
async function untilClosed(connection: Connection, forkId: string): Promise<void> {
  const closed = connection.reach(() => connection.outcomes.outcome(forkId));
  const abortion = whenAborted();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    const left = waitAtMost(timerMsMax);
    if (left < timerMsMax) timer = setTimeout(resolve, left);
  });
  try {
    const isClosed = await Promise.race([
      closed.then(() => true),
      Promise.race([late, abortion.aborted]).then(() => false),
    ]);
    if (isClosed) return;
  } finally {
    clearTimeout(timer);
    abortion.done();
  }
  const reached = limitReached() ?? 'the deadline has passed';
  await terminate(connection, forkId, `Nobody waits for the replay: ${reached}.`);
  throw new RuntimeError(
    'TIMEOUT',
    `The replay did not end, and ${reached}. It was terminated. Check that a worker polls the run's task queue.`,
    { runId: forkId },
  );
}

async function terminate(connection: Connection, forkId: string, reason: string): Promise<void> {
  const result = await whenFree(connection, rowOf(forkId), (database) => terminateUnowned(database, forkId, reason));
  if (result === 'owned') await sendMessage(connection, forkId, { type: 'WorkflowTerminated', reason });
}
