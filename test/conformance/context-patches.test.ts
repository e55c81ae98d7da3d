// Patches of the context that do not come from workflow code: of activities, of people, and of the previous run.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from 'reprise/client';
import { handedOver } from '../support/fixtures/activities.ts';
import { until } from '../support/engine.ts';
import { behavior, turnsOf, typesOf, type Way, ways } from './ways.ts';

const all = await ways();

type Event = Awaited<ReturnType<WorkflowHandle['history']>>[number];
const add = (value: number) => ({ op: 'replace', path: '/total', value }) as const;
const closing = { op: 'replace', path: '/open', value: false } as const;

async function eventsOf(handle: WorkflowHandle, type: string): Promise<Event[]> {
  return (await handle.history()).filter((event) => event.type === type);
}

/** The document in TypeScript and in SQL. */
async function folded(way: Way, handle: WorkflowHandle): Promise<unknown> {
  const { state } = await handle.stateAt();
  const { rows } = await way.engine.pool.query<{ state: unknown }>('select reprise_audit.state_at($1) as state', [
    handle.runId,
  ]);
  assert.deepEqual(rows[0]?.state, state);
  return state;
}

/** Waits until the run waits in its first condition. */
async function begun(handle: WorkflowHandle): Promise<void> {
  await until(async () => (await handle.history()).length > 1);
}

for (const kind of ['own', 'local'] as const) {
  behavior(
    all,
    `patches of an activity (${kind}) commit with its result, and the code sees both at once`,
    async (way) => {
      const patches = [
        { ops: [add(2), { op: 'append', path: '/notes', value: 'two' } as const] },
        {
          ops: [{ op: 'set', path: '/by/name', value: 'Ada' } as const],
          provenance: { source: 'agent', sourceId: 'm', reason: 'r' } as const,
        },
      ];
      const handle = await way.start('callsStaging', [{ kind, patches }]);
      const document = { open: true, total: 2, notes: ['first', 'two'], by: { name: 'Ada' } };
      assert.deepEqual(await way.result(handle), { outcome: 'staged by attempt 1', document });
      assert.deepEqual(await folded(way, handle), document);
      const turns = await turnsOf(handle);
      assert.deepEqual(turns.at(-1), ['ActivityCompleted', 'ContextPatched', 'ContextPatched', 'WorkflowCompleted']);
      const [completed] = await eventsOf(handle, 'ActivityCompleted');
      const [, first, second] = await handle.patches();
      assert.deepEqual([first?.source, first?.sourceId, first?.cause], ['tool', 'stage', completed?.seq]);
      assert.deepEqual([second?.source, second?.sourceId, second?.reason], ['agent', 'm', 'r']);
      assert.equal(second?.cause, completed?.seq);
      assert.deepEqual(first?.ops[0], { ...add(2), prev: 0 });
    },
  );

  behavior(all, `patches of failed attempts of an activity (${kind}) are dropped`, async (way) => {
    const handle = await way.start('callsStaging', [{ kind, patches: [{ ops: [add(1)] }], options: { fails: 2 } }]);
    const { outcome, document } = (await way.result(handle)) as { outcome: unknown; document: unknown };
    assert.deepEqual([outcome, document], ['staged by attempt 3', { open: true, total: 1, notes: ['first'] }]);
    assert.equal((await handle.patches()).length, 2);
  });

  behavior(
    all,
    `an activity (${kind}) whose patches do not apply fails with a conflict; its result stays in the log`,
    async (way) => {
      const patches = [{ ops: [add(1)] }, { ops: [{ op: 'test', path: '/total', value: 9 } as const, add(10)] }];
      const handle = await way.start('callsStaging', [{ kind, patches }]);
      const { outcome, document } = (await way.result(handle)) as {
        outcome: Record<string, unknown>;
        document: unknown;
      };
      assert.deepEqual(document, { open: true, total: 0, notes: ['first'] });
      const { message, ...rest } = outcome;
      assert.deepEqual(rest, {
        type: 'ContextConflict',
        details: ['staged by attempt 1'],
        nonRetryable: true,
      });
      assert.match(String(message), /CONTEXT_PATCH_INVALID.*\/total/);
      const [failed] = await eventsOf(handle, 'ActivityFailed');
      const meta = failed?.meta as { code?: string; retryState?: string; refused?: unknown[] };
      assert.deepEqual([meta.code, meta.retryState], ['CONTEXT_PATCH_INVALID', 'NON_RETRYABLE_FAILURE']);
      assert.deepEqual(meta.refused, [
        { source: 'tool', sourceId: 'stage', reason: null, ops: [add(1)] },
        { source: 'tool', sourceId: 'stage', reason: null, ops: patches[1]!.ops },
      ]);
      assert.deepEqual(await folded(way, handle), document);
    },
  );
}

behavior(
  all,
  'patches of an activity that the schema refuses, or before the first use, are conflicts too',
  async (way) => {
    const refused = (await way.execute('callsStaging', [{ patches: [{ ops: [add(-1)] }] }])) as {
      outcome: { message: string };
    };
    assert.match(refused.outcome.message, /\/total: below zero/);
    const early = (await way.execute('callsStaging', [
      { patches: [{ ops: [add(1)] }], early: true },
    ])) as typeof refused;
    assert.match(early.outcome.message, /CONTEXT_NOT_ATTACHED/);
  },
);

behavior(all, 'an activity of another worker patches the context', async (way) => {
  const taskQueue = way.newId('elsewhere');
  const handle = await way.start('callsStaging', [
    { patches: [{ ops: [add(3)] }], options: { fails: 1 }, activity: { taskQueue } },
  ]);
  const result = await way.serve(taskQueue, () => way.result(handle));
  assert.deepEqual(result, { outcome: 'staged by attempt 2', document: { open: true, total: 3, notes: ['first'] } });
  const [, patch, ...none] = await handle.patches();
  assert.deepEqual([patch?.source, patch?.ops, none], ['tool', [{ ...add(3), prev: 0 }], []]);
});

for (const elsewhere of [false, true]) {
  const whose = elsewhere ? 'of another worker' : 'of the run itself';
  behavior(all, `an activity ${whose} that a client completes patches the context with its completion`, async (way) => {
    const taskQueue = elsewhere ? way.newId('elsewhere') : way.engine.taskQueue;
    const key = randomUUID();
    const handle = await way.start('callsStaging', [
      { patches: [{ ops: [add(4)] }], options: { fails: 1, key }, activity: { taskQueue } },
    ]);
    const complete = async (): Promise<unknown> => {
      const token = await until(async () => handedOver.get(`${key} 2`));
      await until(async () => (await handle.describe()).pendingActivities[0]?.remote?.state === 'WAITING');
      assert.equal((await handle.patches()).length, 1);
      await way.engine.client.activity.complete(token, 'by a client');
      return way.result(handle);
    };
    const result = await (elsewhere ? way.serve(taskQueue, complete) : complete());
    assert.deepEqual(result, { outcome: 'by a client', document: { open: true, total: 4, notes: ['first'] } });
  });
}

behavior(all, 'patchContext of an activity refuses what a context cannot hold', async (way) => {
  const codes = (await way.execute('callsInvalidStaging')) as string[];
  const invalid = 'CONTEXT_PATCH_INVALID';
  assert.deepEqual(codes, [...Array.from({ length: 10 }, () => invalid), 'INVALID_INPUT', 'PAYLOAD_TOO_LARGE']);
});

behavior(all, 'a person patches the context: the code goes on with it, and the log says who and why', async (way) => {
  const handle = await way.start('waitsForPatches');
  await begun(handle);
  const head = (await handle.history()).length;
  const applied = await handle.patchContext(
    [
      { op: 'merge', path: '', value: { total: 5, by: { name: 'Ada' } } },
      { op: 'append', path: '/notes', value: 'seen' },
    ],
    { reason: 'counted again', actor: 'ada' },
  );
  assert.deepEqual(applied, { runId: handle.runId, seq: head + 1 });
  const [, patch] = await handle.patches();
  assert.deepEqual(
    [patch?.seq, patch?.source, patch?.sourceId, patch?.reason, patch?.cause],
    [head + 1, 'user', 'ada', 'counted again', head],
  );
  assert.deepEqual(patch?.ops, [
    { op: 'replace', path: '/total', value: 5, prev: 0 },
    { op: 'add', path: '/by', value: { name: 'Ada' } },
    { op: 'add', path: '/notes/-', value: 'seen' },
  ]);
  const expected = { open: true, total: 5, notes: ['first', 'seen'], by: { name: 'Ada' } };
  assert.deepEqual(await handle.query('show'), expected);
  await handle.patchContext(closing, { reason: 'done' });
  const document = { ...expected, open: false };
  assert.deepEqual(await way.result(handle), { seen: [], document });
  assert.deepEqual(await folded(way, handle), document);
  assert.equal((await handle.patches()).at(-1)?.sourceId, 'client');
});

behavior(all, "a person's patch that does not apply is refused with a code, and nothing is logged", async (way) => {
  const handle = await way.start('waitsForPatches');
  await begun(handle);
  const before = await typesOf(handle);
  const options = { reason: 'try' };
  await assert.rejects(handle.patchContext({ op: 'remove', path: '/absent' }, options), {
    code: 'CONTEXT_PATCH_INVALID',
    message: /\/absent/,
  });
  await assert.rejects(handle.patchContext(add(-1), options), {
    code: 'CONTEXT_PATCH_INVALID',
    message: /schema.*\/total: below zero/,
  });
  await assert.rejects(handle.patchContext([{ op: 'test', path: '/total', value: 1 }, add(2)], options), {
    code: 'CONTEXT_PATCH_INVALID',
  });
  await assert.rejects(handle.patchContext({ op: 'set', path: '/x', value: 'a\0' }, options), {
    code: 'CONTEXT_PATCH_INVALID',
    message: /"\/x"/,
  });
  await assert.rejects(handle.patchContext(add(1), { reason: '' }), { code: 'INVALID_INPUT' });
  await assert.rejects(handle.patchContext(add(1), { reason: 'x', who: 'y' } as never), { code: 'INVALID_INPUT' });
  assert.deepEqual(await typesOf(handle), before);
  await handle.patchContext(closing, options);
  await way.result(handle);
  await assert.rejects(handle.patchContext(add(1), options), { name: 'WorkflowNotFoundError' });
});

behavior(all, "a person's patch before the first use of the context is refused", async (way) => {
  const handle = await way.start('waitsForPatches', [false]);
  await until(async () => (await handle.describe()).historyLength > 1);
  await assert.rejects(handle.patchContext(add(1), { reason: 'early' }), { code: 'CONTEXT_NOT_ATTACHED' });
  await handle.signal('note', 'go');
  await until(async () => (await handle.patches()).length > 0);
  await handle.patchContext(closing, { reason: 'done' });
  await way.result(handle);
});

behavior(
  all,
  'patches of people and of signal handlers, sent at once: TypeScript and SQL fold them alike at every seq',
  async (way) => {
    const handle = await way.start('waitsForPatches');
    await begun(handle);
    const values = [1, 2, 3, 4];
    await Promise.all(
      values.flatMap((value) => [
        handle.signal('note', `note ${value}`),
        handle.patchContext(add(value), { reason: `count ${value}` }),
      ]),
    );
    await handle.patchContext(closing, { reason: 'done' });
    const { seen, document } = (await way.result(handle)) as { seen: string[]; document: { notes: string[] } };
    assert.equal(seen.length, values.length);
    assert.deepEqual(await folded(way, handle), document);
    assert.equal((await handle.patches()).length, 2 + 2 * values.length);
    for (const { seq } of await handle.patches()) {
      const { rows } = await way.engine.pool.query<{ state: unknown }>(
        'select reprise_audit.state_at($1, $2::int) as state',
        [handle.runId, seq],
      );
      assert.deepEqual(rows[0]?.state, (await handle.stateAt({ seq })).state);
    }
  },
);

behavior(all, "a person's patch of a chain is applied to the run that is open, once, or refused", async (way) => {
  const handle = await way.start('carriesLedger', [15, 10]);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      handle.patchContext({ op: 'append', path: '/notes', value: `${i}` }, { reason: `${i}` }),
    ),
  );
  const { total, notes } = (await way.result(handle)) as { total: number; notes: string[] };
  assert.equal(total, 15);
  const applied = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [`${i}`] : []));
  assert.deepEqual(notes.slice(1).toSorted(), applied.toSorted());
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue;
    const { code, name } = outcome.reason as { code?: string; name: string };
    assert.ok(code === 'CONTEXT_NOT_ATTACHED' || name === 'WorkflowNotFoundError', String(outcome.reason));
  }
});

behavior(all, 'a carried document names the run and the event that it came from', async (way) => {
  const handle = await way.start('carriesLedger', [3]);
  assert.deepEqual(await way.result(handle), { open: true, total: 3, notes: ['first'] });
  const runs = await way.runs(handle.workflowId);
  assert.equal(runs.length, 3);
  for (const [i, { run_id: runId }] of runs.entries()) {
    const history = await way.engine.client.workflow.getHandle(handle.workflowId, runId).history();
    const { rows: verdict } = await way.engine.pool.query('select ok, problem from reprise_audit.verify($1)', [runId]);
    assert.deepEqual(verdict, [{ ok: true, problem: null }]);
    const [, second] = history;
    assert.equal(second?.type, 'ContextPatched');
    const before = runs[i - 1]?.run_id;
    if (before === undefined) {
      assert.equal(second.meta, null);
      continue;
    }
    const last = (await way.engine.client.workflow.getHandle(handle.workflowId, before).history()).at(-1);
    assert.equal(last?.type, 'WorkflowContinuedAsNew');
    assert.deepEqual(second.meta, { from: { runId: before, seq: last.seq } });
    assert.equal(history.filter(({ type, name }) => type === 'CheckpointSaved' && name === `run ${3 - i}`).length, 1);
  }
});
