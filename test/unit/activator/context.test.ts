// defineContext inside a run: attached at its first use, logged as events, read by queries, patched from outside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { condition, defineContext, defineQuery, proxyActivities, setHandler, sleep } from '../../../sdk/workflow.ts';
import { completed, contextPatched, type Exports, fired, resultOf, texts, workflowTest, runId } from './harness.ts';

interface Repair {
  done: number;
  fixes: Record<string, string>;
  note?: string;
}
const initial: Repair = { done: 0, fixes: {} };
const { act } = proxyActivities<{ act(): Promise<void> }>({ startToCloseTimeout: 1000 });
const state = defineQuery<unknown>('state');

workflowTest(
  'the first use logs the initial document, and each write logs one event with its provenance',
  () => {
    const repair = defineContext<Repair>(initial);
    return {
      async workflow(): Promise<Repair> {
        await act();
        const live = repair.state;
        repair.patch(
          { op: 'add', path: '/fixes/4711', value: '1975' },
          { source: 'agent', sourceId: 'healer', reason: 'normalize', confidence: 0.95 },
        );
        repair.update((draft) => {
          draft.done += 1;
        });
        repair.patch([{ op: 'set', path: '/note', value: 'x' }]);
        repair.patch({ op: 'delete', path: '/fixes/absent' });
        repair.update(() => undefined);
        return { ...live, fixes: { ...live.fixes } };
      },
    };
  },
  async (driver) => {
    const [activity, ...none] = await driver.start();
    assert.deepEqual(none, []);
    const outputs = await driver.turn(completed(activity!.seq));
    assert.deepEqual(
      outputs
        .slice(0, -1)
        .map(({ type, ops, source, sourceId, reason }) => [type, JSON.parse(ops!), source, sourceId, reason]),
      [
        ['ContextPatched', [{ op: 'add', path: '', value: initial }], 'system', 'workflow', null],
        [
          'ContextPatched',
          [{ op: 'add', path: '/fixes/4711', value: '1975', confidence: 0.95 }],
          'agent',
          'healer',
          'normalize',
        ],
        ['ContextPatched', [{ op: 'replace', path: '/done', value: 1, prev: 0 }], 'system', 'workflow', null],
        ['ContextPatched', [{ op: 'add', path: '/note', value: 'x' }], 'system', 'workflow', null],
      ],
    );
    assert.deepEqual(resultOf(outputs.at(-1)), { done: 1, fixes: { 4711: '1975' }, note: 'x' });
  },
);

workflowTest(
  'a patch that does not apply throws at its call and logs nothing',
  () => {
    const repair = defineContext<Repair>(initial);
    return {
      async workflow(): Promise<unknown[]> {
        const seen: unknown[] = [];
        const attempt = (write: () => void): void => {
          try {
            write();
            seen.push('written');
          } catch (error) {
            seen.push((error as { code?: string }).code ?? String(error));
          }
        };
        attempt(() =>
          repair.patch([
            { op: 'add', path: '/done', value: 9 },
            { op: 'remove', path: '/note' },
          ]),
        );
        attempt(() =>
          repair.update((draft) => {
            draft.done = 7;
            throw new Error('half way');
          }),
        );
        attempt(() => repair.patch({ op: 'add', path: '/done', value: 1 }, { source: 'nobody' as 'tool' }));
        // @ts-expect-error a patch of a person needs a reason
        attempt(() => repair.patch({ op: 'add', path: '/done', value: 1 }, { source: 'user' }));
        attempt(() => repair.patch({ op: 'add', path: '/done', value: 1 }, { confidence: 2 }));
        attempt(() => {
          (repair.state as Repair).done = 5;
        });
        return [...seen, repair.state.done];
      },
    };
  },
  async (driver) => {
    const [attached, closed] = await driver.start();
    assert.equal(attached?.type, 'ContextPatched');
    assert.deepEqual(resultOf(closed), [
      'CONTEXT_PATCH_INVALID',
      'Error: half way',
      'INVALID_INPUT',
      'INVALID_INPUT',
      'INVALID_INPUT',
      'READ_ONLY',
      0,
    ]);
  },
);

workflowTest(
  'a run has one context: a second one throws, and the same one may be used in another function',
  () => {
    const first = defineContext<Repair>(initial);
    const second = defineContext<Repair>(initial);
    const helper = (): number => first.state.done;
    return {
      async workflow(): Promise<string> {
        first.update((draft) => void (draft.done = 3));
        assert.equal(helper(), 3);
        try {
          return String(second.state.done);
        } catch (error) {
          return (error as { code: string }).code;
        }
      },
    };
  },
  async (driver) => {
    const outputs = await driver.start();
    assert.equal(resultOf(outputs.at(-1)), 'CONTEXT_ALREADY_DEFINED');
  },
);

workflowTest(
  'a query reads the context, even before its first use, and cannot write it',
  () => {
    const repair = defineContext<Repair>(initial);
    return {
      async workflow(): Promise<void> {
        setHandler(state, () => ({ ...repair.state, fixes: {} }));
        setHandler(defineQuery('write'), () => repair.patch({ op: 'add', path: '/done', value: 1 }));
        await act();
        repair.update((draft) => void (draft.done = 2));
        await act();
      },
    };
  },
  async (driver) => {
    const [first] = await driver.start();
    assert.deepEqual(driver.query('state'), initial);
    assert.throws(() => driver.query('write'), /A query handler or an update validator tried to change the run/);
    await driver.turn(completed(first!.seq));
    assert.deepEqual(driver.query('state'), { done: 2, fixes: {} });
    assert.throws(() => driver.query('write'), /A query handler or an update validator tried to change the run/);
  },
);

workflowTest(
  'conditions see a patch from outside, and replay treats it as an input',
  () => {
    const repair = defineContext<Repair>(initial);
    return {
      async workflow(): Promise<string> {
        await condition(() => repair.state.note !== undefined);
        return repair.state.note ?? '';
      },
    };
  },
  async (driver) => {
    const [attached] = await driver.start();
    assert.equal(attached?.type, 'ContextPatched');
    const outputs = await driver.turn(contextPatched(1, [{ op: 'add', path: '/note', value: 'from outside' }]));
    assert.deepEqual(texts(outputs), ['WorkflowCompleted "from outside"']);
  },
);

workflowTest(
  'replay detects changed operations and a changed origin',
  () => {
    const repair = defineContext<Repair>(initial);
    return {
      async workflow(): Promise<void> {
        repair.patch({ op: 'replace', path: '/done', value: 1 });
      },
    };
  },
  async (driver) => {
    await driver.start();
    const other =
      (value: number, sourceId: string): (() => Exports) =>
      () => {
        const repair = defineContext<Repair>(initial);
        return { workflow: async () => repair.patch({ op: 'replace', path: '/done', value }, { sourceId }) };
      };
    for (const load of [other(2, 'workflow'), other(1, 'someone')]) {
      const result = await driver.replay(load);
      assert.ok(!result.ok);
      assert.match(result.failure.message, /event 3 \(ContextPatched\)/);
      assert.match(result.failure.message, /Nondeterminism/);
    }
  },
);

const withSchema = (schema: z.ZodType) => () => {
  const repair = defineContext<Repair>(initial, { schema });
  return {
    async workflow(): Promise<unknown[]> {
      const seen: unknown[] = [];
      for (const value of [5, -1, 50]) {
        try {
          repair.patch({ op: 'replace', path: '/done', value });
        } catch (error) {
          seen.push((error as { code: string }).code);
        }
        seen.push(repair.state.done);
      }
      await sleep(1);
      return seen;
    },
  };
};
const shape = z.object({
  done: z.number().min(0),
  fixes: z.record(z.string(), z.string()),
  note: z.string().optional(),
});

workflowTest('a write checks the schema', withSchema(shape), async (driver) => {
  const outputs = await driver.start();
  const [closed] = await driver.turn(fired(outputs.at(-1)!.seq));
  assert.deepEqual(resultOf(closed), [5, 'CONTEXT_PATCH_INVALID', 5, 50]);
  // Replay accepts recorded patches under a tightened schema.
  const tightened = withSchema(shape.extend({ done: z.number().min(0).max(10) }));
  assert.ok((await driver.replay(tightened)).ok);
});

workflowTest(
  'the initial document must match the schema',
  () => {
    const bad = defineContext({ done: 'none' as unknown as number, fixes: {} }, { schema: shape });
    return {
      async workflow(): Promise<unknown[]> {
        const failures: unknown[] = [];
        for (let i = 0; i < 2; i++) {
          try {
            failures.push(bad.state);
          } catch (error) {
            failures.push((error as { code: string }).code, (error as Error).message);
          }
        }
        return failures;
      },
    };
  },
  async (driver) => {
    const [closed] = await driver.start();
    const message =
      `The initial document of the context of run ${runId} does not fit the context's schema: ` +
      '/done: Invalid input: expected number, received string. It was not applied.';
    assert.deepEqual(resultOf(closed), ['CONTEXT_PATCH_INVALID', message, 'CONTEXT_PATCH_INVALID', message]);
  },
);

workflowTest(
  'a schema that cannot check synchronously is rejected with a reason',
  () => {
    const bad = defineContext<{ a: number }>(
      { a: 1 },
      { schema: z.object({ a: z.number().refine(async () => true) }) },
    );
    return { workflow: async () => bad.state.a };
  },
  async (driver) => {
    const result = await driver.attempt(driver.started());
    assert.ok(!result.ok);
    assert.match(result.failure.message, /the schema cannot check synchronously/);
  },
);

workflowTest(
  'the first use rejects values that JSON cannot hold',
  () => {
    const bad = defineContext({ when: new Date(0) as unknown as string });
    return { workflow: async () => bad.state.when };
  },
  async (driver) => {
    const result = await driver.attempt(driver.started());
    assert.ok(!result.ok);
    assert.match(result.failure.message, /"\/when"/);
  },
);

test('values that JSON cannot hold do not compile', () => {
  // @ts-expect-error a Date
  defineContext({ when: new Date(0) });
  // @ts-expect-error a function
  defineContext({ run: () => 1 });
  // @ts-expect-error a bigint
  defineContext({ big: 1n });
  // @ts-expect-error a Map
  defineContext({ map: new Map<string, string>() });
  defineContext<{ a?: string; list: readonly (number | null)[] }>({ list: [1, null] });
});
