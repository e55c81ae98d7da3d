// Property: at every seq the fold of the log's patches is the document that the code saw there, whatever the order in which
// patches from outside, signals and activities arrive.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { InputOp } from '../../../runtime/core/context/context-input.ts';
import type { Json } from '../../../runtime/core/json/json.ts';
import type { Op } from '../../../runtime/core/json/operation.ts';
import type { AskedPatch } from '../../../runtime/core/context/patch-trial.ts';
import { defineContext, defineSignal, proxyActivities, setHandler } from '../../../sdk/workflow.ts';
import { foldOps } from '../../support/fold-ops.ts';
import { inputOp } from '../../support/input-ops.ts';
import { completed, Driver, type Exports, input, type Input, signal } from './harness.ts';

interface Shape {
  counts: Record<string, number>;
  list: unknown[];
}
const { act } = proxyActivities<{ act(): Promise<void> }>({ startToCloseTimeout: 1000 });
const edit = defineSignal<[number]>('edit');

/** Every activity and signal reads the document, writes it, and reads it again. */
function watching(seen: string[]): () => Exports {
  return () => {
    const document = defineContext<Shape>({ counts: {}, list: [] });
    const look = (): number => seen.push(JSON.stringify(document.state));
    return {
      async workflow(calls: number): Promise<void> {
        setHandler(edit, (value) => {
          look();
          document.patch({ op: 'set', path: `/counts/${value % 3}`, value });
          look();
        });
        void document.state;
        for (let i = 0; i < calls; i++) {
          await act();
          look();
          document.update((draft) => void draft.list.push(i));
          look();
        }
        await act();
      },
    };
  };
}

type Step =
  | { readonly kind: 'patch'; readonly ops: readonly InputOp[] }
  | { readonly kind: 'signal'; readonly value: number }
  | { readonly kind: 'activity' };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('patch' as const), ops: fc.array(inputOp, { minLength: 1, maxLength: 3 }) }),
  fc.record({ kind: fc.constant('signal' as const), value: fc.nat({ max: 9 }) }),
  fc.constant({ kind: 'activity' as const }),
);

/** The inputs of a turn, as a worker makes them: it asks the code which patches apply. */
function inputsOf(driver: Driver, steps: readonly Step[], head: number, call: number): Input[] {
  const asked = steps.flatMap((each) => (each.kind === 'patch' ? [asPatch(each.ops)] : []));
  const trial = driver.run.tryPatches(asked.map((patch) => [patch]));
  assert.ok(trial.ok);
  const verdicts = [...trial.verdicts];
  let pending: number | undefined = call;
  return steps.flatMap((each): Input[] => {
    if (each.kind === 'signal') return [signal('edit', each.value)];
    if (each.kind === 'activity') {
      const answers = pending;
      pending = undefined;
      return answers === undefined ? [] : [completed(answers)];
    }
    const verdict = verdicts.shift()!;
    if (!verdict.ok) return [];
    const [ops] = verdict.ops;
    return [input('ContextPatched', { ops: ops!, answers: head, source: 'user', sourceId: 'ada', reason: 'x' })];
  });
}

function asPatch(ops: readonly InputOp[]): AskedPatch {
  return { ops: JSON.stringify(ops), source: 'user', sourceId: 'ada', reason: 'x' };
}

test('the fold of the log at any seq is the document that the code saw there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { maxLength: 6 }), async (turns) => {
      const seen: string[] = [];
      const driver = new Driver(watching(seen), 'workflow');
      await driver.start([turns.length + 1]);
      const callOf = (): number =>
        driver.turns.flatMap(({ outputs }) => outputs).findLast(({ type }) => type === 'ActivityScheduled')!.seq;
      for (const steps of turns) {
        const last = driver.turns.at(-1)!;
        const head = (last.outputs.at(-1) ?? last.inputs.at(-1))!.seq;
        const inputs = inputsOf(driver, steps, head, callOf());
        if (inputs.length > 0) await driver.turn(...inputs);
      }
      // The code looks once before and once behind each of its patches. Before its first one in a turn, it sees the
      // document behind the last input.
      const expected: string[] = [];
      let document: Json = null;
      for (const [i, { inputs, outputs }] of driver.turns.entries()) {
        for (const event of [...inputs, ...outputs]) {
          const isOfCode = outputs.includes(event) && i > 0 && event.type === 'ContextPatched';
          if (isOfCode) expected.push(JSON.stringify(document));
          if (event.ops !== null) document = foldOps(document, JSON.parse(event.ops) as Op[]);
          if (isOfCode) expected.push(JSON.stringify(document));
        }
      }
      assert.deepEqual(seen, expected);
      seen.length = 0;
      assert.ok((await driver.replay()).ok);
      assert.deepEqual(seen, expected);
      driver.run.dispose();
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 500) },
  );
});
