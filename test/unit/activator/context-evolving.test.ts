// How a context evolves with its code: the initial document of the log, versions and migrations; progress and checkpoints.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import type { AskedPatch, PatchTrial } from '../../../runtime/core/context/patch-trial.ts';
import {
  condition,
  continueAsNew,
  type ContextOptions,
  defineContext,
  defineQuery,
  proxyActivities,
  setHandler,
} from '../../../sdk/workflow.ts';
import { completed, type Driver, type Exports, input, type Input, resultOf, texts, workflowTest } from './harness.ts';

const { act } = proxyActivities<{ act(): Promise<void> }>({ startToCloseTimeout: 1000 });
const state = defineQuery<unknown>('state');

/** A workflow that attaches its context, waits, and returns the document. */
function code(initial: object, options: ContextOptions = {}): () => Exports {
  return () => {
    const document = defineContext(initial as never, options as never);
    return {
      async workflow(): Promise<unknown> {
        setHandler(state, () => document.state);
        void document.state;
        await act();
        return document.state;
      },
    };
  };
}

const versionOne = code({ name: 'Ada', count: 1 });
const versionTwo = code(
  { who: { name: '' }, count: 0 },
  {
    version: 2,
    migrate: ({ name, ...rest }: { name: string }, from) => ({ ...rest, who: { name }, from }),
  },
);

function migration({ head, trial }: { head: number; trial: PatchTrial }): Input {
  assert.ok(trial.ok);
  assert.ok(trial.migration !== undefined);
  return input('ContextPatched', { ...trial.migration, answers: head, source: 'system' });
}

/** Continues the run with other code, as a worker does: asks for a migration first. */
async function taken(driver: Driver, load: () => Exports, head: number): Promise<{ other: Driver; first: Input }> {
  const other = await driver.continued(load);
  return { other, first: migration({ head, trial: other.run.tryPatches([]) }) };
}

workflowTest('a replay takes the initial document from the log, not from the code', versionOne, async (driver) => {
  const [, call] = await driver.start();
  const other = await driver.continued(code({ name: 'nobody', count: 0, more: [] }));
  const [closed] = await other.turn(completed(call!.seq));
  assert.deepEqual(resultOf(closed), { name: 'Ada', count: 1 });
});

workflowTest(
  'a migration is an input patch that names both versions; a replay applies it and runs no migrate',
  versionOne,
  async (driver) => {
    const [attached, call] = await driver.start();
    assert.equal(attached!.meta, null);
    const { other, first } = await taken(driver, versionTwo, call!.seq);
    assert.deepEqual([first.source, first.sourceId], ['system', 'workflow']);
    assert.equal(first.reason, 'The context was migrated from version 1 to version 2.');
    assert.equal(first.meta, '{"version":2}');
    const [closed] = await other.turn(first, completed(call!.seq));
    const expected = { count: 1, who: { name: 'Ada' }, from: 1 };
    assert.deepEqual(resultOf(closed), expected);
    const throwing = code({}, { version: 2, migrate: () => assert.fail('a replay called migrate') });
    assert.ok((await other.replay(throwing)).ok);
    // Code of a third version sees the shape of the second in replayed turns.
    const third = await other.replay(code({}, { version: 3, migrate: () => assert.fail('a replay called migrate') }));
    assert.ok(third.ok);
    assert.deepEqual(resultOf(third.outputs.at(-1)), expected);
  },
);

workflowTest('asking for a migration changes nothing, not even the order of members', versionOne, async (driver) => {
  const [, call] = await driver.start();
  const other = await driver.continued(versionTwo);
  const before = JSON.stringify(resultOf((await (await driver.continued(versionOne)).turn(completed(call!.seq)))[0]));
  other.run.tryPatches([]);
  const [closed] = await other.turn(completed(call!.seq));
  assert.equal(JSON.stringify(resultOf(closed)), before);
});

workflowTest('a migration logs the shorter of its changes and the whole document', versionOne, async (driver) => {
  await driver.start();
  const few = await driver.continued(code({}, { version: 2, migrate: (old: object) => ({ ...old, count: 2 }) }));
  const trial = few.run.tryPatches([]);
  assert.ok(trial.ok);
  assert.equal(trial.migration?.ops, '[{"op":"replace","path":"/count","value":2,"prev":1}]');
  const whole = await driver.continued(code({}, { version: 2, migrate: () => ({}) }));
  const other = whole.run.tryPatches([]);
  assert.ok(other.ok);
  assert.deepEqual(JSON.parse(other.migration!.ops), [
    { op: 'replace', path: '', value: {}, prev: { name: 'Ada', count: 1 } },
  ]);
});

workflowTest('a document of the same version needs no migration', versionTwo, async (driver) => {
  const [attached, call] = await driver.start();
  assert.equal(attached!.meta, '{"version":2}');
  assert.deepEqual(driver.run.tryPatches([]), { ok: true, migration: undefined, verdicts: [] });
  await driver.turn(completed(call!.seq));
});

workflowTest('code older than the document fails the task, but replays', versionTwo, async (driver) => {
  await driver.start();
  const old = await driver.continued(versionOne);
  const trial = old.run.tryPatches([]);
  assert.ok(!trial.ok);
  assert.equal(trial.failure.code, 'CONTEXT_VERSION_TOO_HIGH');
  assert.match(trial.failure.message, /has version 2, but this code defines version 1/);
});

for (const [fault, migrate, message] of [
  ['throws', () => assert.fail('mine'), /mine/],
  ['returns nothing', () => undefined, /returns no document/],
  ['returns what JSON cannot hold', () => ({ at: new Date(0) }), /"\/at"/],
  ['returns what the schema refuses', () => ({ count: -1 }), /does not fit the schema.*\/count/],
] as const) {
  workflowTest(`a migrate that ${fault} fails the task`, versionOne, async (driver) => {
    await driver.start();
    const schema = z.object({ count: z.number().min(0) });
    const other = await driver.continued(code({ count: 0 }, { version: 2, schema, migrate: migrate as never }));
    const trial = other.run.tryPatches([]);
    assert.ok(!trial.ok);
    assert.match(trial.failure.message, message);
  });
}

workflowTest(
  'a query of newer code sees the migrated document before the migration is logged',
  versionOne,
  async (driver) => {
    const [, call] = await driver.start();
    const other = await driver.continued(versionTwo);
    assert.deepEqual(other.query('state'), { count: 1, who: { name: 'Ada' }, from: 1 });
    const { first } = await taken(driver, versionTwo, call!.seq);
    await other.turn(first);
    assert.deepEqual(other.query('state'), { count: 1, who: { name: 'Ada' }, from: 1 });
  },
);

const inherited = (version: number | undefined): Input =>
  input('ContextPatched', {
    answers: 1,
    ops: '[{"op":"add","path":"","value":{"name":"Ada","count":1}}]',
    source: 'system',
    sourceId: 'workflow',
    meta: JSON.stringify({ version, from: { runId: 'x', seq: 9 } }),
  });

workflowTest('a carried document of an earlier version is migrated at its first use', versionTwo, async (driver) => {
  const outputs = await driver.start([], inherited(undefined));
  assert.deepEqual(
    outputs.map(({ type, meta }) => [type, type === 'ContextPatched' ? meta : null]),
    [
      ['ContextPatched', '{"version":2}'],
      ['ActivityScheduled', null],
    ],
  );
  assert.equal(outputs[0]!.reason, 'The context was migrated from version 1 to version 2.');
  const throwing = code({}, { version: 3, migrate: () => assert.fail('a replay called migrate') });
  assert.ok((await driver.replay(throwing)).ok);
  const [closed] = await driver.turn(completed(outputs[1]!.seq));
  assert.deepEqual(resultOf(closed), { count: 1, who: { name: 'Ada' }, from: 1 });
});

workflowTest('a carried document that was not migrated keeps its shape on replay', versionOne, async (driver) => {
  const [call, ...none] = await driver.start([], inherited(undefined));
  assert.deepEqual(none, []);
  const { other, first } = await taken(driver, versionTwo, call!.seq);
  const [closed] = await other.turn(first, completed(call!.seq));
  assert.deepEqual(resultOf(closed), { count: 1, who: { name: 'Ada' }, from: 1 });
});

test('a carried document newer than the code fails the task even if the workflow catches the error', async () => {
  const { Driver } = await import('./harness.ts');
  const catching = (): Exports => {
    const document = defineContext({ name: '', count: 0 });
    return {
      async workflow(): Promise<unknown> {
        try {
          return document.state;
        } catch {
          return 'caught';
        }
      },
    };
  };
  const driver = new Driver(catching, 'workflow');
  const failure = await driver.failingTurn(driver.started(), inherited(2));
  assert.equal(failure.code, 'CONTEXT_VERSION_TOO_HIGH');
});

workflowTest(
  'a run that continues as new names the version of the carried document',
  () => {
    const document = defineContext({ a: 1 }, { version: 4, migrate: () => ({ a: 1 }) });
    return {
      async workflow(): Promise<void> {
        void document.state;
        await continueAsNew();
      },
    };
  },
  async (driver) => {
    const outputs = await driver.start();
    assert.deepEqual(JSON.parse(outputs.at(-1)!.meta!), { contextVersion: 4 });
  },
);

const asked = (ops: unknown, source: AskedPatch['source'] = 'user'): AskedPatch => {
  return { ops: JSON.stringify(ops), source, sourceId: 'ada', reason: 'fix' };
};

workflowTest('patches are tried in order, each group as a whole, and change nothing', versionOne, async (driver) => {
  const [, call] = await driver.start();
  const trial = driver.run.tryPatches([
    [asked([{ op: 'set', path: '/by/name', value: 'x' }])],
    [asked([{ op: 'remove', path: '/name' }]), asked([{ op: 'replace', path: '/absent', value: 1 }])],
    [asked([{ op: 'test', path: '/name', value: 'Ada' }]), asked([{ op: 'merge', path: '/by', value: { age: 1 } }])],
  ]);
  assert.ok(trial.ok);
  const [first, second, third] = trial.verdicts;
  assert.deepEqual(first, {
    ok: true,
    ops: ['[{"op":"add","path":"/by","value":{}},{"op":"add","path":"/by/name","value":"x"}]'],
  });
  assert.ok(second?.ok === false && second.code === 'CONTEXT_PATCH_INVALID' && /\/absent/.test(second.message));
  assert.deepEqual(third?.ok === true && third.ops[1], '[{"op":"add","path":"/by/age","value":1}]');
  const [closed] = await driver.turn(completed(call!.seq));
  assert.equal(JSON.stringify(resultOf(closed)), '{"name":"Ada","count":1}');
});

workflowTest(
  'a patch is refused that does not fit the schema, or comes before the first use',
  () => {
    const schema = z.object({ count: z.number().max(5) });
    const document = defineContext({ count: 1 }, { schema });
    return {
      async workflow(): Promise<void> {
        await act();
        void document.state;
        await act();
      },
    };
  },
  async (driver) => {
    const patch = [asked([{ op: 'replace', path: '/count', value: 9 }])];
    const [call] = await driver.start();
    const early = driver.run.tryPatches([patch]);
    assert.ok(early.ok && early.verdicts[0]?.ok === false && early.verdicts[0].code === 'CONTEXT_NOT_ATTACHED');
    await driver.turn(completed(call!.seq));
    const trial = driver.run.tryPatches([patch]);
    assert.ok(trial.ok && trial.verdicts[0]?.ok === false);
    assert.match(trial.verdicts[0].message, /does not fit the schema of the context: \/count/);
  },
);

workflowTest(
  'all patches from outside are applied before code and handlers run, whatever their place among the inputs',
  () => {
    const document = defineContext({ n: 0, m: 0 });
    const seen: unknown[] = [];
    return {
      async workflow(): Promise<unknown[]> {
        setHandler(defineQuery('n'), () => document.state.n);
        void condition(() => {
          seen.push(`condition ${document.state.n} ${document.state.m}`);
          return document.state.n > 0;
        });
        void document.state;
        await act();
        seen.push(`activity ${document.state.n} ${document.state.m}`);
        return seen;
      },
    };
  },
  async (driver) => {
    const outputs = await driver.start();
    const call = outputs.find(({ type }) => type === 'ActivityScheduled')!;
    const patch = (path: string): Input =>
      input('ContextPatched', {
        answers: call.seq,
        ops: JSON.stringify([{ op: 'replace', path, value: 1 }]),
        source: 'user',
        sourceId: 'ada',
        reason: 'x',
      });
    const [closed] = await driver.turn(completed(call.seq), patch('/n'), patch('/m'));
    const seen = resultOf(closed) as string[];
    assert.ok(!seen.includes('condition 1 0'), String(seen));
    assert.ok(seen.includes('condition 1 1') && seen.includes('activity 1 1'), String(seen));
  },
);

workflowTest(
  'progress and checkpoints are events, and names of checkpoints are unique in a run',
  () => {
    const document = defineContext({ n: 0 });
    return {
      async workflow(): Promise<unknown[]> {
        document.progress(0.5, 'clean');
        document.progress(1);
        document.checkpoint('half');
        const codes: unknown[] = [];
        for (const call of [
          () => document.checkpoint('half'),
          () => document.checkpoint(''),
          () => document.checkpoint('a\0b'),
          () => document.progress(2),
          () => document.progress(Number.NaN),
          () => document.progress(0.1, ''),
        ]) {
          try {
            call();
          } catch (error) {
            codes.push((error as { code?: string }).code);
          }
        }
        return codes;
      },
    };
  },
  async (driver) => {
    const outputs = await driver.start();
    assert.deepEqual(
      outputs.slice(1, -1).map(({ type, name, ops, meta }) => [type, name, ops, meta]),
      [
        ['ContextPatched', null, '[]', '{"progress":0.5,"ref":"clean"}'],
        ['ContextPatched', null, '[]', '{"progress":1}'],
        ['CheckpointSaved', 'half', null, null],
      ],
    );
    assert.deepEqual(
      resultOf(outputs.at(-1)),
      Array.from({ length: 6 }, () => 'INVALID_INPUT'),
    );
  },
);

workflowTest(
  'a checkpoint under another name is a divergence',
  () => {
    const document = defineContext({ n: 0 });
    return { workflow: async () => document.checkpoint('one') };
  },
  async (driver) => {
    assert.deepEqual(texts(await driver.start()).slice(1), ['CheckpointSaved', 'WorkflowCompleted undefined']);
    const result = await driver.replay(() => {
      const document = defineContext({ n: 0 });
      return { workflow: async () => document.checkpoint('two') };
    });
    assert.ok(!result.ok);
    assert.match(result.failure.message, /CheckpointSaved 'one'/);
    assert.match(result.failure.message, /CheckpointSaved 'two'/);
  },
);

test('defineContext refuses a version without migrate and unknown options', () => {
  assert.throws(() => defineContext({ a: 1 }, { version: 2 }), { code: 'INVALID_INPUT' });
  assert.throws(() => defineContext({ a: 1 }, { version: 0 }), { code: 'INVALID_INPUT' });
  assert.throws(() => defineContext({ a: 1 }, { version: 1.5 }), { code: 'INVALID_INPUT' });
  assert.throws(() => defineContext({ a: 1 }, { migrate: 'x' as never }), { code: 'INVALID_INPUT' });
  assert.throws(() => defineContext({ a: 1 }, { versions: 2 } as never), { code: 'INVALID_INPUT' });
});
