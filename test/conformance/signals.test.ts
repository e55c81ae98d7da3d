// Signals: when handlers start, in which order they start, and that no signal is lost. Behaviors 1 to 8 of
// docs/behaviors.md. test/worker/children.test.ts covers behavior 9.
import assert from 'node:assert/strict';
import { activityInfo } from 'reprise/activity';
import { type WorkflowHandle, WorkflowNotFoundError } from 'reprise/client';
import { until } from '../support/engine.ts';
import { behavior, pause, taskFailureOf, turnsOf, typesOf, type Way, ways } from './ways.ts';

/** The promises that the activity `released` waits for, by workflow id. */
const releases = new Map<string, PromiseWithResolvers<void>>();
const all = await ways({
  activities: {
    released: () => releases.get(activityInfo().workflowExecution!.workflowId)?.promise,
  },
});

behavior(all, '1: messages from before the first task are handled before the main function awaits', async (way) => {
  await way.gathered(
    ['comesLast'],
    4,
    async (handle) => {
      await handle.signal('tell', 'a');
      await handle.cancel();
      await handle.signal('tell', 'b');
      void handle.startUpdate('put', { args: ['u'], waitForStage: 'ACCEPTED' });
    },
    async (handle) => {
      const order = await way.result(handle);
      assert.deepEqual(order, ['cancelled: true', 'a', 'b', 'u', 'before the first await']);
      assert.equal((await turnsOf(handle)).length, 1);
    },
  );
});

behavior(all, '2: the signal of signalWithStart is handled by the line after setHandler', async (way) => {
  const { client, taskQueue } = way.engine;
  const workflowId = 'signaled before';
  const options = { workflowId, taskQueue, signal: 'go', signalArgs: [] };
  assert.equal(
    await way.result(await client.workflow.signalWithStart('failsUnlessSignaledBefore', options)),
    undefined,
  );
  const handle = await way.start('failsUnlessSignaledBefore');
  assert.deepEqual(await way.failure(handle), [
    'WorkflowFailedError: Workflow execution failed',
    'ApplicationFailure: Workflow not signaled',
  ]);
});

for (const [type, sent, expected] of [
  [
    'drainsInOrder',
    ['nobody 1', 'signalA 2', 'nobody 3', 'nobody 4', 'signalB 5', 'nobody 6', 'signalB 7'],
    ['A2', 'B5', 'B7', 'default 1', 'default 3', 'default 4', 'default 6'],
  ],
  [
    'drainsReentrantly',
    ['nobody 1', 'signalA 2', 'signalA 3', 'signalB 4', 'signalB 5', 'signalC 6', 'signalC 7'],
    ['A2', 'B4', 'C6', 'default 1', 'A3', 'B5', 'C7'],
  ],
] as const) {
  behavior(all, `3: buffered signals, ${type}: ${expected.join(', ')}`, async (way) => {
    await way.gathered(
      [type],
      sent.length,
      async (handle) => {
        for (const one of sent) {
          const [name, value] = one.split(' ');
          await handle.signal(name!, Number(value));
        }
      },
      async (handle) => assert.deepEqual(await way.result(handle), expected),
    );
  });
}

behavior(all, '4: two signals to an async handler interleave at await', async (way) => {
  const handle = await way.start('interleaves');
  await way.together(handle, [
    ['tell', 'a'],
    ['tell', 'b'],
  ]);
  const [first, second, ...ends] = (await way.result(handle)) as string[];
  assert.deepEqual([first, second], ['begin a', 'begin b']);
  assert.deepEqual(ends.sort(), ['end a', 'end b']);
});

behavior(all, '5: signals without a handler wait for a handler, in order, and do not keep a run open', async (way) => {
  const handle = await way.start('listensLate');
  for (const word of ['a', 'b', 'c']) {
    await handle.signal('tell', word);
    await handle.signal('nobody', word);
    await pause(5);
  }
  await handle.signal('go');
  assert.deepEqual(await way.result(handle), ['a', 'b', 'c']);
  assert.equal((await typesOf(handle)).filter((type) => type === 'SignalReceived').length, 7);
});

for (const later of [false, true]) {
  const when = later ? 'later' : 'at once';
  behavior(all, `6: a failure that a signal handler throws ${when} fails the workflow`, async (way) => {
    const handle = await way.start('failsInHandler', ['failure', later]);
    await handle.signal('go');
    assert.deepEqual(await way.failure(handle), [
      'WorkflowFailedError: Workflow execution failed',
      'ApplicationFailure: Signal failed',
    ]);
  });

  behavior(all, `6: a bug in a signal handler, ${when}, fails the task, which is retried`, async (way) => {
    const handle = await way.start('failsInHandler', ['bug', later]);
    await handle.signal('go');
    assert.match((await taskFailureOf(handle)).message, /a bug in a handler/);
    assert.equal((await handle.describe()).status.name, 'RUNNING');
    await handle.terminate();
    await way.replays(handle);
  });
}

interface Ending {
  readonly handle: WorkflowHandle;
  /** Triggers the turn that closes the run. */
  release(): void;
  /** Waits for the end of the run. Resolves with the messages that the run received. */
  end(): Promise<string[]>;
}

async function ending(way: Way, how: string): Promise<Ending> {
  const workflowId = way.newId(`${how}, ${way.name}`);
  const released = Promise.withResolvers<void>();
  releases.set(workflowId, released);
  const handle = await way.start('endsOnRelease', [how], { workflowId });
  if (how === 'cancel') {
    await handle.query('told');
    await handle.cancel();
  }
  await until(async () => (await handle.describe()).pendingActivities.length === 1);
  return {
    handle,
    release: released.resolve,
    end: async () => {
      const ended = way.result(handle);
      if (how === 'complete' || how === 'continue') return (await ended) as string[];
      await assert.rejects(ended, /Workflow execution (failed|cancelled)/);
      return handle.query<string[]>('told');
    },
  };
}

for (const how of ['complete', 'fail', 'cancel', 'continue']) {
  behavior(all, `7: a signal that arrives before the closing turn is appended is handled: ${how}`, async (way) => {
    const { handle, release, end } = await ending(way, how);
    const words = [
      ['tell', 'a'],
      ['tell', 'b'],
    ] as const;
    // The sender holds the run's row, so the closing turn cannot be appended before the signals arrive.
    await way.together(handle, words, () => {
      release();
      return pause(60);
    });
    assert.deepEqual(await end(), ['a', 'b']);
  });

  behavior(all, `7: each message of a stream is handled, or its sender gets an error: ${how}`, async (way) => {
    const { handle, release, end } = await ending(way, how);
    const acknowledged: string[] = [];
    let over = false;
    const stream = async (name: string, send: (word: string) => Promise<unknown>): Promise<void> => {
      for (let i = 0; !over; i++) {
        try {
          await send(`${name}${i}`);
        } catch (error) {
          if (error instanceof WorkflowNotFoundError) return;
          throw error;
        }
        acknowledged.push(`${name}${i}`);
        if (acknowledged.length === 10) release();
      }
    };
    const senders = [
      ...['a', 'b', 'c'].map((name) => stream(name, (word) => handle.signal('tell', word))),
      stream('u', (word) => handle.executeUpdate('put', { args: [word] })),
    ];
    const heard = await end();
    over = true;
    await Promise.all(senders);
    assert.deepEqual(heard.toSorted(), acknowledged.sort());
  });
}

behavior(all, '8: messages to a closed run are refused like those to an unknown run', async (way) => {
  const handle = await way.start('comesLast');
  await way.result(handle);
  const { workflow } = way.engine.client;
  const nobody = workflow.getHandle('nobody of this name');
  const update = { args: ['x'] as unknown as [] };
  for (const [target, message] of [
    [handle, /^workflow execution already completed/],
    [nobody, /^workflow not found for ID: nobody of this name/],
  ] as const) {
    for (const sent of [
      () => target.signal('tell', 'x'),
      () => target.cancel(),
      () => target.terminate(),
      () => target.executeUpdate('put', update),
    ]) {
      await assert.rejects(sent, (error) => error instanceof WorkflowNotFoundError && message.test(error.message));
    }
  }
});
