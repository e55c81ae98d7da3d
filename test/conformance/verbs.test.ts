// Pause, resume, retry and skip of open runs, in the three ways.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import fc from 'fast-check';
import { activity, activityInfo, ApplicationFailure } from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { RunState } from '../../runtime/core/run/run-state.ts';
import { readHistory, readOpenEvents, type StoredEvent } from '../../runtime/store/log/history.ts';
import { until } from '../support/engine.ts';
import { behavior, typesOf, type Way, ways } from './ways.ts';

/** Functions that end the attempts that `waitsForRelease` runs, by name. */
const releases = new Map<string, (error?: Error) => void>();
/** Numbers of the attempts of each activity, by run. */
const attempts = new Map<string, number[]>();

function counted(): number {
  const { attempt, workflowExecution } = activityInfo();
  const { runId } = workflowExecution!;
  attempts.set(runId, [...(attempts.get(runId) ?? []), attempt]);
  return attempt;
}

const activities = {
  async attemptsUntil(succeedsAt: number): Promise<number> {
    const attempt = counted();
    if (attempt < succeedsAt) throw new Error(`attempt ${attempt}`);
    return attempt;
  },
  /** Fails unless it is told not to. */
  async echoes(value: { fails?: boolean }): Promise<unknown> {
    counted();
    if (value.fails === true) throw new Error('told to fail');
    return value;
  },
  mayBeSkipped: activity({ effect: 'none', skippable: true }, async (): Promise<string> => {
    counted();
    throw new Error('always');
  }),
  async waitsForRelease(name: string): Promise<string> {
    counted();
    await new Promise<void>((resolve, reject) => {
      releases.set(name, (error) => (error === undefined ? resolve() : reject(error)));
    });
    return name;
  },
};

const all = await ways({ activities });
const who = { reason: 'because', actor: 'ann' } as const;

async function statusOf(handle: WorkflowHandle): Promise<string> {
  return (await handle.describe()).status.name;
}

/** Waits until the run's only activity waits for its next attempt. */
async function failedOnce(handle: WorkflowHandle): Promise<number> {
  return until(async () => {
    const [pending] = (await handle.describe()).pendingActivities;
    return pending?.lastFailure === null ? undefined : pending?.seq;
  });
}

/** Waits until no worker has the run, or the run is idle in its worker. Then nothing is due. */
async function fails(call: Promise<unknown>, code: string): Promise<Error> {
  return call.then(
    () => assert.fail(`expected ${code}`),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, code, error.message);
      return error;
    },
  );
}

describe('pause and resume', { concurrency: 4 }, () => {
  behavior(all, 'a paused run takes signals, updates and timers only once it is resumed', async (way) => {
    const handle = await way.start('collects', [1, 1]);
    await until(async () => (await typesOf(handle)).includes('TimerFired'));
    const { seq, applied } = await handle.pause(who);
    assert.ok(applied);
    const paused = (await handle.history()).at(seq - 1)!;
    assert.deepEqual(
      [paused.type, paused.source, paused.sourceId, paused.reason],
      ['WorkflowPaused', 'user', 'ann', 'because'],
    );
    assert.equal(await statusOf(handle), 'PAUSED');
    const description = await handle.describe();
    assert.deepEqual(
      [description.paused?.seq, description.paused?.actor, description.paused?.reason],
      [seq, 'ann', 'because'],
    );
    await handle.signalWithOptions('add', { args: ['signal'] });
    const update = handle.executeUpdate<number, [string]>('put', { args: ['update'] });
    assert.deepEqual(await handle.query('items'), ['tick 1']);
    await handle.signal('finish');
    await until(async () => (await typesOf(handle)).filter((type) => type === 'SignalReceived').length === 2);
    assert.deepEqual(await handle.query('items'), ['tick 1']);
    await handle.resume({ actor: 'bob' });
    const result = (await way.result(handle)) as string[];
    assert.deepEqual(result, ['tick 1', 'signal', 'update']);
    assert.equal(await update, 3);
    assert.equal(await statusOf(handle), 'COMPLETED');
  });

  behavior(all, 'a timer that is due while its run is paused fires when the run is resumed', async (way) => {
    const handle = await way.start('collects', [1, 2_000]);
    const { deadline } = await timerOf(handle);
    await handle.pause(who);
    await until(async () => Date.now() > deadline + 50);
    assert.ok(!(await typesOf(handle)).includes('TimerFired'));
    await handle.resume(who);
    await until(async () => (await typesOf(handle)).includes('TimerFired'));
    await handle.signal('finish');
    assert.deepEqual(await way.result(handle), ['tick 1']);
    const types = await typesOf(handle);
    assert.ok(types.indexOf('TimerFired') > types.indexOf('WorkflowResumed'));
  });

  behavior(all, 'an attempt that runs may end, and no attempt begins before the run is resumed', async (way) => {
    const handle = await way.start('callsTwice');
    const { runId } = handle;
    await until(async () => releases.has(`${runId} 1`));
    await handle.pause(who);
    releases.get(`${runId} 1`)!(new Error('failed while paused'));
    await until(async () => (await typesOf(handle)).includes('ActivityAttemptFailed'));
    const { seq } = await handle.retry(who);
    assert.equal((await handle.history())[seq - 1]?.type, 'RecoveryApplied');
    releases.delete(`${runId} 1`);
    assert.deepEqual(attempts.get(runId!), [1]);
    await handle.resume(who);
    await until(async () => releases.has(`${runId} 1`));
    releases.get(`${runId} 1`)!();
    await until(async () => releases.has(`${runId} 2`));
    releases.get(`${runId} 2`)!();
    assert.deepEqual(await way.result(handle), [`${runId} 1`, `${runId} 2`]);
    assert.deepEqual(attempts.get(runId!), [1, 2, 1]);
  });

  behavior(all, 'cancellation takes effect on resume, and terminate works at once', async (way) => {
    const [cancelled, terminated] = [await way.start('collects'), await way.start('collects')];
    await cancelled.pause(who);
    await terminated.pause(who);
    await cancelled.cancel(who);
    await until(async () => (await typesOf(cancelled)).includes('WorkflowCancelRequested'));
    assert.equal(await statusOf(cancelled), 'PAUSED');
    await cancelled.resume(who);
    assert.match((await way.failure(cancelled)).join(), /Workflow execution cancelled/);
    const request = (await cancelled.history()).find(({ type }) => type === 'WorkflowCancelRequested')!;
    assert.deepEqual([request.source, request.sourceId, request.reason], ['user', 'ann', 'because']);
    await terminated.terminate('enough', { actor: 'ann' });
    await way.failure(terminated);
    const end = (await terminated.history()).at(-1)!;
    assert.deepEqual([end.type, end.source, end.sourceId, end.reason], ['WorkflowTerminated', 'user', 'ann', 'enough']);
  });

  behavior(all, 'the timeout of a run goes on while the run is paused', async (way) => {
    const handle = await way.start('collects', [], { workflowRunTimeout: '4 seconds' });
    await handle.pause(who);
    assert.match((await way.failure(handle)).join(), /timed out/);
    assert.equal(await statusOf(handle), 'TIMED_OUT');
  });

  behavior(all, 'a second pause is answered with the first, and only a paused run can be resumed', async (way) => {
    const handle = await way.start('collects');
    const requestId = way.newId('request');
    const first = await handle.pause({ requestId });
    assert.deepEqual(await handle.pause(who), { ...first, applied: false });
    assert.deepEqual(await handle.pause({ requestId }), { ...first, applied: false });
    await fails(handle.resume({ requestId }), 'INVALID_INPUT');
    await handle.resume();
    await fails(handle.resume(who), 'NOT_PAUSED');
    // A repeated request finds its event, although the run has been resumed since.
    assert.deepEqual(await handle.pause({ requestId }), { ...first, applied: false });
    await handle.signal('finish');
    await way.result(handle);
    await fails(handle.pause(), 'RUN_NOT_FOUND');
    await fails(handle.resume(), 'RUN_NOT_FOUND');
    const events = await handle.history();
    assert.equal(events.filter(({ type }) => type === 'WorkflowPaused').length, 1);
    assert.equal(events.find(({ type }) => type === 'WorkflowPaused')?.reason, 'no reason given');
  });

  behavior(all, 'a run with a start delay still waits for the rest of the delay when it is resumed', async (way) => {
    const handle = await way.start('collects', [], { startDelay: '700 ms' });
    await handle.pause(who);
    await handle.resume(who);
    const { executionTime } = await delayOf(handle);
    await handle.describe();
    await until(async () => (await handle.history()).some(({ type }) => type === 'WorkflowTaskCompleted'));
    const begun = (await handle.history()).find(({ type }) => type === 'WorkflowTaskCompleted')!;
    assert.ok(begun.at.getTime() >= executionTime - 1, `${begun.at.toISOString()} is before the end of the delay`);
    await handle.signal('finish');
    await way.result(handle);
  });

  behavior(all, 'a run that is paused and resumed at random moments replays without a difference', async (way) => {
    const action = fc.constantFrom('pause', 'resume', 'signal', 'update', 'wait');
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 12 }), fc.nat(3), async (actions, ticks) => {
        const handle = await way.start('collects', [ticks, 3]);
        const updates: Promise<unknown>[] = [];
        let sent = 0;
        for (const name of actions) {
          if (name === 'pause') await handle.pause();
          else if (name === 'resume') await handle.resume().catch(() => undefined);
          else if (name === 'signal') await handle.signal('add', String(++sent));
          else if (name === 'update') updates.push(handle.executeUpdate('put', { args: [String(++sent)] }));
          else await new Promise((resolve) => setTimeout(resolve, 4));
        }
        await handle.resume().catch(() => undefined);
        await Promise.all(updates);
        await handle.signal('finish');
        const result = (await way.result(handle)) as string[];
        assert.equal(result.length, ticks + sent);
        await assertFolds(way, handle);
      }),
      { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 15) },
    );
  });
});

describe('retry', { concurrency: 4 }, () => {
  behavior(all, 'the next attempt starts at once, and the attempt numbers go on', async (way) => {
    const handle = await way.start('retriesForHours', [4]);
    for (const attempt of [2, 3, 4]) {
      await until(async () => (await handle.describe()).pendingActivities[0]?.attempt === attempt);
      const { seq } = await handle.retry({ ...who, activity: 'attemptsUntil#1' });
      const event = (await handle.history())[seq - 1]!;
      assert.deepEqual(
        [event.type, event.name, event.source, event.sourceId, event.reason],
        ['RecoveryApplied', 'retry', 'user', 'ann', 'because'],
      );
    }
    assert.equal(await way.result(handle), 4);
    assert.deepEqual(attempts.get(handle.runId!), [1, 2, 3, 4]);
  });

  behavior(
    all,
    'edited arguments reach the next attempt, and the code still asks for the original ones',
    async (way) => {
      const handle = await way.start('asksFor', [{ fails: true, delayMs: 1 }]);
      const seq = await failedOnce(handle);
      await handle.retry({ ...who, activity: seq, input: [{ path: '/0/delayMs', value: 8 }] });
      await until(async () => (await handle.describe()).pendingActivities[0]?.attempt === 3);
      const [pending] = (await handle.describe()).pendingActivities;
      assert.deepEqual([pending?.recovery?.name, pending?.recovery?.editedInput], ['retry', true]);
      await handle.retry({ ...who, input: [{ path: '/0/fails', value: false }] });
      const edited = { fails: false, delayMs: 8 };
      assert.deepEqual(await way.result(handle), [edited, { fails: true, delayMs: 1 }]);
      await assertFolds(way, handle);
    },
  );

  behavior(all, 'a retry is refused with a code when there is nothing to retry', async (way) => {
    const handle = await way.start('callsTwice');
    const { runId } = handle;
    await until(async () => releases.has(`${runId} 1`));
    assert.match((await fails(handle.retry(), 'NOTHING_TO_RETRY')).message, /reset/);
    await fails(handle.retry({ activity: 'waitsForRelease#1' }), 'NOTHING_TO_RETRY');
    await fails(handle.retry({ activity: 'waitsForRelease#7' }), 'STEP_NOT_FOUND');
    await fails(handle.retry({ activity: 0 }), 'INVALID_INPUT');
    releases.get(`${runId} 1`)!(new Error('first'));
    await failedOnce(handle);
    releases.delete(`${runId} 1`);
    await handle.retry();
    await until(async () => releases.has(`${runId} 1`));
    await fails(handle.retry(), 'ATTEMPT_RUNNING');
    releases.get(`${runId} 1`)!(ApplicationFailure.nonRetryable('for good'));
    await assert.rejects(way.result(handle));
    const events = await handle.history();
    assert.equal(events.filter(({ type }) => type === 'RecoveryApplied').length, 1);
    // The run is closed now: another run goes on in its place, from before the failure.
    await fails(handle.retry({ activity: 'waitsForRelease#2' }), 'STEP_NOT_FOUND');
    releases.delete(`${runId} 1`);
    const fork = await handle.resume(who);
    assert.notEqual(fork.runId, runId);
    for (const name of [`${runId} 1`, `${runId} 2`]) {
      await until(async () => releases.has(name));
      releases.get(name)!();
    }
    assert.deepEqual(await way.result(handle), [`${runId} 1`, `${runId} 2`]);
  });

  behavior(all, 'invalid edits are refused, and nothing is written', async (way) => {
    const handle = await way.start('asksFor', [{ fails: true }]);
    await failedOnce(handle);
    const before = (await handle.history()).length;
    for (const path of ['', '/1/x', '/0/a/b', 'x', '/0/fails/x', '/-1']) {
      await fails(handle.retry({ input: [{ path, value: 1 }] }), 'INVALID_INPUT');
    }
    await fails(handle.retry({ input: [{ path: '/0/fails', value: false }], args: [] }), 'INVALID_INPUT');
    await fails(handle.retry({ args: [() => 1] }), 'NOT_SERIALISABLE');
    assert.equal((await handle.history()).length, before);
    await handle.retry({ args: [{ instead: true }] });
    assert.deepEqual(await way.result(handle), [{ instead: true }, { fails: true }]);
  });
});

describe('skip', { concurrency: 4 }, () => {
  behavior(all, 'a skip ends an activity with the given result, in the turn that records who did it', async (way) => {
    for (const declaredBy of ['function', 'call'] as const) {
      const handle = await way.start('maySkip', [declaredBy]);
      const activity = await failedOnce(handle);
      const { seq } = await handle.skip({ ...who, activity, result: { passed: true } });
      assert.deepEqual(await way.result(handle), { passed: true });
      const [applied, completed] = (await handle.history()).slice(seq - 1);
      assert.deepEqual([applied?.type, applied?.name, applied?.sourceId], ['RecoveryApplied', 'skip', 'ann']);
      assert.deepEqual(
        [completed?.type, completed?.source, completed?.answers, completed?.reason],
        ['ActivityCompleted', 'user', activity, 'because'],
      );
      assert.equal(applied?.at.getTime(), completed?.at.getTime());
    }
  });

  behavior(all, 'an activity that does not declare skippable cannot be skipped', async (way) => {
    const handle = await way.start('retriesForHours', [2]);
    const activity = await failedOnce(handle);
    const { message } = await fails(handle.skip({ activity, result: 1 }), 'NOT_SKIPPABLE');
    assert.match(message, /skippable: true/);
    await handle.retry();
    assert.equal(await way.result(handle), 2);
  });

  behavior(all, 'of skips and retries that race, exactly one wins and the others are told', async (way) => {
    for (let round = 0; round < 50; round++) {
      const handle = await way.start('maySkip', ['function']);
      const activity = await failedOnce(handle);
      const calls = [
        ...['a', 'b'].map((actor) => handle.skip({ activity, result: actor, actor })),
        ...['c'].map((actor) => handle.retry({ activity, actor })),
      ];
      const settled = await Promise.allSettled(calls);
      const seqs = settled.flatMap((call) => (call.status === 'fulfilled' ? [call.value.seq] : []));
      const told = settled.flatMap((call) =>
        call.status === 'rejected' ? [(call.reason as { code: string }).code] : [],
      );
      assert.ok(seqs.length >= 1, told.join());
      assert.equal(new Set(seqs).size, seqs.length);
      for (const code of told)
        assert.ok(
          ['RECOVERY_SUPERSEDED', 'ACTIVITY_ALREADY_ENDED', 'ATTEMPT_RUNNING', 'NOTHING_TO_RETRY'].includes(code),
          code,
        );
      const events = await handle.history();
      assert.deepEqual(
        events.filter(({ type }) => type === 'RecoveryApplied').map(({ seq }) => seq),
        [...seqs].sort((a, b) => a - b),
      );
      if (!events.some(({ type, name }) => type === 'RecoveryApplied' && name === 'skip')) {
        await until(async () =>
          handle.skip({ activity, result: 'last' }).then(
            () => true,
            () => false,
          ),
        );
      }
      await way.result(handle);
      assert.equal((await handle.history()).filter(({ type }) => type === 'ActivityCompleted').length, 1);
    }
  });
});

async function timerOf(handle: WorkflowHandle): Promise<{ deadline: number }> {
  const started = await until(async () => (await handle.history()).find(({ type }) => type === 'TimerStarted'));
  return { deadline: (started.meta as { due: number }).due / 1000 };
}

async function delayOf(handle: WorkflowHandle): Promise<{ executionTime: number }> {
  const [start] = await handle.history();
  return { executionTime: start!.at.getTime() + (start!.meta as { startDelayMs: number }).startDelayMs };
}

/** The part of the log that recovery reads folds to the same state as the whole log. */
async function assertFolds({ engine }: Way, { runId }: WorkflowHandle): Promise<void> {
  const { database } = engine.connection;
  const events: StoredEvent[] = [];
  for await (const page of readHistory(database, runId!)) events.push(...page);
  for (const { seq, hash } of events) {
    if (hash === null) continue;
    const state = RunState.of(runId!, events.slice(0, seq));
    assert.equal(state.paused !== undefined, state.status === 'paused');
  }
  const whole = RunState.of(runId!, events);
  const open = RunState.of(runId!, await readOpenEvents(database, runId!));
  assert.deepEqual(open.snapshot(), whole.snapshot());
}
