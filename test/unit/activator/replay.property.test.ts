// Property: every history replays, whatever the workflow does and in whatever order outcomes arrive.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NewEvent } from '../../../runtime/core/log/event.ts';
import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  defineContext,
  defineSignal,
  forEach,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  uuid4,
} from '../../../sdk/workflow.ts';
import {
  cancelRequested,
  completed,
  Driver,
  type Exports,
  failed,
  fired,
  globals,
  type Input,
  signal,
} from './harness.ts';

type Node =
  | {
      readonly kind:
        | 'activity'
        | 'local'
        | 'abandoned'
        | 'tried'
        | 'sleep'
        | 'wait'
        | 'waitShort'
        | 'patch'
        | 'selfCancel';
    }
  | {
      readonly kind: 'sequence' | 'all' | 'race' | 'each' | 'shielded' | 'limited' | 'caught';
      readonly of: readonly Node[];
    };

const { node } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.record({
      kind: fc.constantFrom(
        'activity',
        'local',
        'abandoned',
        'tried',
        'sleep',
        'wait',
        'waitShort',
        'patch',
        'selfCancel',
      ),
    }),
    fc.record({
      kind: fc.constantFrom('sequence', 'all', 'race', 'each', 'shielded', 'limited', 'caught'),
      of: fc.array(tie('node'), { minLength: 1, maxLength: 4 }),
    }),
  ),
}));

const base = { startToCloseTimeout: 1000 } as const;
const go = defineSignal('go');

function program(root: Node): Exports {
  const { work } = proxyActivities<{ work(): Promise<number> }>(base);
  const { work: local } = proxyLocalActivities<{ work(): Promise<number> }>(base);
  const { work: abandoned } = proxyActivities<{ work(): Promise<number> }>({ ...base, cancellationType: 'ABANDON' });
  const { work: tried } = proxyActivities<{ work(): Promise<number> }>({ ...base, cancellationType: 'TRY_CANCEL' });
  const context = defineContext<{ log: string[] }>({ log: [] });
  let signals = 0;

  const sequence = async (nodes: readonly Node[]): Promise<void> => {
    for (const child of nodes) await run(child);
  };
  const run = async (at: Node): Promise<unknown> => {
    switch (at.kind) {
      case 'activity':
        return work();
      case 'local':
        return local();
      case 'abandoned':
        return abandoned();
      case 'tried':
        return tried();
      case 'sleep':
        return sleep(1 + globals.Math.random() * 100);
      case 'wait': {
        const seen = signals;
        return condition(() => signals > seen);
      }
      case 'waitShort': {
        const seen = signals;
        return condition(() => signals > seen + 1, 10);
      }
      case 'patch':
        return context.patch({ op: 'append', path: '/log', value: uuid4() });
      case 'selfCancel':
        return CancellationScope.current().cancel();
      case 'sequence':
        return sequence(at.of);
      case 'all':
        return Promise.all(at.of.map(run));
      case 'race':
        return Promise.race(at.of.map((child) => run(child).catch(() => 'lost')));
      case 'each':
        return forEach(at.of, run, { concurrency: 2, key: (_, index) => index });
      case 'shielded':
        return CancellationScope.nonCancellable(() => sequence(at.of));
      case 'limited':
        return CancellationScope.withTimeout(50, () => sequence(at.of));
      default:
        return sequence(at.of).catch(async (error: unknown) => {
          if (isCancellation(error)) context.update((draft) => void draft.log.push('cancelled'));
        });
    }
  };

  return {
    async workflow(): Promise<string[]> {
      setHandler(go, () => void (signals += 1));
      await run(root);
      return [...context.state.log];
    },
  };
}

/** Outcomes for open operations, chosen by `choice`. Every operation gets an outcome eventually. */
function answer(open: Map<number, NewEvent>, choice: number): Input[] {
  const inputs: Input[] = [];
  if (choice % 5 === 0) inputs.push(signal('go'));
  if (choice % 23 === 0) inputs.push(cancelRequested());
  let index = choice;
  for (const [seq, event] of open) {
    index += 7;
    if (index % 3 === 0) continue;
    open.delete(seq);
    if (event.type === 'TimerStarted') inputs.push(fired(seq));
    else if (index % 5 === 0) inputs.push(failed(seq, ApplicationFailure.nonRetryable('no')));
    else if (index % 11 === 0) inputs.push(failed(seq, new CancelledFailure('CANCELLED'), {}, 'ActivityCancelled'));
    else inputs.push(completed(seq, index));
  }
  return inputs.length === 0 ? [signal('go')] : inputs;
}

async function live(driver: Driver, choices: readonly number[]): Promise<void> {
  const open = new Map<number, NewEvent>();
  let outputs = await driver.start();
  for (const choice of choices) {
    for (const output of outputs) {
      if (output.type === 'TimerStarted' || output.type === 'ActivityScheduled') open.set(output.seq, output);
      if (output.type === 'TimerCancelled') open.delete(output.answers ?? 0);
    }
    if (outputs.at(-1)?.type.startsWith('Workflow')) return;
    outputs = await driver.turn(...answer(open, choice));
  }
}

test('every history that a workflow can produce replays', async () => {
  await fc.assert(
    fc.asyncProperty(node, fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 }), async (root, choices) => {
      const driver = new Driver(() => program(root), 'workflow');
      await live(driver, choices);
      const replayed = await driver.replay();
      assert.ok(replayed.ok, replayed.ok ? '' : replayed.failure.message);
    }),
    { numRuns: 1000 },
  );
});
