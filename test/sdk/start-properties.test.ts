// Memo and search attributes of a start: they are refused if they cannot be stored, commit with the caller's
// transaction, and do not change a run that is already open. Also covers the option `args` of messages.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WorkflowStartOptions } from 'reprise/client';
import { defineSearchAttributeKey, TypedSearchAttributes } from 'reprise/common';
import { testEngine } from '../support/engine.ts';
import { seenProperties } from '../support/fixtures/property-workflows.ts';
import { add, finish, total } from '../support/fixtures/workflows.ts';

const { client, connection, pool, taskQueue } = await testEngine();
const { workflow } = client;
const stage = defineSearchAttributeKey('Stage', 'KEYWORD');
const typedSearchAttributes = new TypedSearchAttributes([{ key: stage, value: 'new' }]);

it('values that cannot be stored are refused, and nothing is written', async () => {
  const bad: readonly [object, string, RegExp][] = [
    [{ memo: 'x' }, 'INVALID_INPUT', /memo is the text "x", expected an object/],
    [{ memo: { a: 'x\0' } }, 'INVALID_INPUT', /memo holds a NUL/],
    [{ memo: { a: 'x'.repeat(3_000_000) } }, 'PAYLOAD_TOO_LARGE', /the limit is 2097152/],
    [{ searchAttributes: { Stage: 'new' } }, 'INVALID_INPUT', /SearchAttribute value must be an array/],
    [{ searchAttributes: { __temporal_x: ['a'] } }, 'INVALID_INPUT', /reserved prefix/],
    [
      { typedSearchAttributes: [{ key: { name: 'N', type: 'INT' }, value: 123.4 }] },
      'INVALID_INPUT',
      /^Invalid search attribute value 123\.4 for given type INT/,
    ],
    [
      { typedSearchAttributes: [{ key: { name: 'N', type: 'X' }, value: 1 }] },
      'INVALID_INPUT',
      /^Unknown search attribute type: X/,
    ],
    [{ typedSearchAttributes: [{ key: stage, value: 'a\0' }] }, 'INVALID_INPUT', /holds NUL/],
    [{ retry: 5 }, 'INVALID_INPUT', /^retry is 5, expected an object of initialInterval, /],
    [
      { retry: { maximumAttemps: 2 } },
      'INVALID_INPUT',
      /^retry has no option "maximumAttemps"\. Did you mean maximumAttempts\?/,
    ],
    [
      { retry: { initialInterval: '5 minuets' } },
      'INVALID_INPUT',
      /^retry\.initialInterval: Invalid duration string: '5 minuets'\. Expected milliseconds or .*'5 minutes'\.$/,
    ],
    [{ staticSummary: 5 }, 'INVALID_INPUT', /staticSummary is 5, expected text/],
    [{ staticDetails: 'a\0' }, 'INVALID_INPUT', /staticDetails is .*without NUL/],
  ];
  for (const [options, code, message] of bad) {
    const given = { workflowId: 'refused', taskQueue, ...options } as WorkflowStartOptions;
    await assert.rejects(workflow.start('describesItself', given), { name: 'RuntimeError', code, message });
    await assert.rejects(workflow.signalWithStart('describesItself', { ...given, signal: 'x' }), { code });
  }
  assert.equal((await pool.query("select from reprise.runs where workflow_id = 'refused'")).rowCount, 0);
});

it('a memo value that JSON would drop or change is refused, and the error has its path', async () => {
  class Point {
    x = 1;
  }
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = [cyclic];
  let deep: unknown = 1;
  for (let i = 0; i < 300; i++) deep = [deep];
  const bad: readonly [object, RegExp][] = [
    [{ a: () => 1 }, /^memo\.a is a function, which JSON would drop or change\. Expected plain JSON values or Dates/],
    [{ a: { 'b c': [1, Symbol('s')] } }, /^memo\.a\["b c"\]\[1\] is a symbol/],
    [{ m: new Map() }, /^memo\.m is an instance of Map/],
    [{ m: [new Set()] }, /^memo\.m\[0\] is an instance of Set/],
    [{ a: 1n }, /^memo\.a is the bigint 1/],
    [{ a: Number.NaN }, /^memo\.a is NaN/],
    [{ a: { b: Number.NEGATIVE_INFINITY } }, /^memo\.a\.b is -Infinity/],
    [{ a: [1, undefined] }, /^memo\.a\[1\] is undefined/],
    [{ a: Array(1) }, /^memo\.a\[0\] is undefined/],
    [{ a: new Point() }, /^memo\.a is an instance of Point/],
    [{ a: new Error('x') }, /^memo\.a is an instance of Error/],
    [{ a: new Uint8Array(2) }, /^memo\.a is an instance of Uint8Array/],
    [{ a: new Date(Number.NaN) }, /^memo\.a is an instance of Date without a JSON form/],
    [{ cyclic }, /^memo\.cyclic\.self\[0\] is a cyclic reference/],
    [{ deep }, /^memo\.deep\[0\].* is nested deeper than 200/],
    [
      {
        get a(): never {
          throw new Error('no');
        },
      },
      /^memo\.a is unreadable/,
    ],
  ];
  for (const [memo, message] of bad) {
    const given = { workflowId: 'refused memo', taskQueue, memo } as WorkflowStartOptions;
    await assert.rejects(workflow.start('describesItself', given), { code: 'NOT_SERIALISABLE', message });
  }
  assert.equal((await pool.query("select from reprise.runs where workflow_id = 'refused memo'")).rowCount, 0);
});

it('a memo stores dates as text and drops undefined members', async () => {
  const link = new URL('postgres://somewhere/');
  const bare: object = Object.assign(Object.create(null) as object, { n: 1 });
  const memo = { at: new Date(0), none: undefined, nested: { none: undefined, list: [null, 'x', 1.5, bare] }, link };
  const handle = await workflow.start('describesItself', { workflowId: 'kept memo', taskQueue, memo });
  assert.deepEqual((await handle.describe()).memo, {
    at: '1970-01-01T00:00:00.000Z',
    nested: { list: [null, 'x', 1.5, { n: 1 }] },
    link: 'postgres://somewhere/',
  });
  await handle.terminate();
});

it('attributes commit with the caller’s transaction', async () => {
  const session = await pool.connect();
  const within = (end: string) => async (workflowId: string) => {
    await session.query('begin');
    await workflow.start('describesItself', {
      workflowId,
      taskQueue,
      args: [[{ finish: true }]],
      transaction: session,
      memo: { a: 1 },
      typedSearchAttributes,
    });
    await session.query(end);
  };
  await within('rollback')('gone');
  await within('commit')('there');
  session.release();
  await workflow.getHandle('there').result();
  assert.equal((await workflow.count("Stage = 'new'")).count, 1);
  const { memo, searchAttributes } = await workflow.getHandle('there').describe();
  assert.deepEqual([memo, searchAttributes], [{ a: 1 }, { Stage: ['new'] }]);
});

it('an open run keeps its memo and attributes when a start uses the open run', async () => {
  const options = { workflowId: 'kept', taskQueue, memo: { by: 'first' }, typedSearchAttributes };
  const first = await workflow.signalWithStart('describesItself', { ...options, signal: 'nobody' });
  const other = { workflowId: 'kept', taskQueue, memo: { by: 'second' }, searchAttributes: { Stage: ['old'] } };
  await workflow.signalWithStart('describesItself', { ...other, signal: 'nobody' });
  await workflow.start('describesItself', { ...other, workflowIdConflictPolicy: 'USE_EXISTING' });
  const { memo, attributes } = await first.query(seenProperties);
  assert.deepEqual([memo, attributes], [{ by: 'first' }, { Stage: ['new'] }]);
  const { rows } = await connection.database.pool.query("select memo from reprise.runs where workflow_id = 'kept'");
  assert.deepEqual(rows, [{ memo: { by: 'first' } }]);
  await first.terminate();
});

it('messages accept their arguments as an option', async () => {
  const handle = await workflow.start('accumulate', { workflowId: 'messages', taskQueue });
  await handle.signalWithOptions('add', { args: [2] });
  await handle.signalWithOptions(add, { args: [3] });
  assert.equal(await handle.queryWithOptions(total, {}), 5);
  assert.equal(await handle.queryWithOptions<number>('total', { args: [] }), 5);
  // @ts-expect-error the signal has an argument
  const missing = (): Promise<void> => handle.signalWithOptions(add, {});
  assert.equal(typeof missing, 'function');
  const refusals: readonly [object, RegExp][] = [
    [{ args: 5 }, /args is 5, expected the list of arguments/],
    [{ typeInfo: {} }, /typeInfo is not supported yet/],
    [{ arg: [1] }, /Did you mean args\?/],
  ];
  for (const [options, message] of refusals) {
    await assert.rejects(handle.signalWithOptions('add', options), { code: 'INVALID_INPUT', message });
    await assert.rejects(handle.queryWithOptions('total', options), { code: 'INVALID_INPUT', message });
  }
  await handle.signalWithOptions(finish, {});
  assert.equal(await handle.result(), 5);
});
