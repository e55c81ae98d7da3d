// Lists and counts of runs, with every part of the query language.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, type ListOptions } from 'reprise/client';
import { defineSearchAttributeKey, type SearchAttributePair } from 'reprise/common';
import { newRunId } from '../../runtime/store/runs/run-id.ts';
import { testEngine } from '../support/engine.ts';

const engine = await testEngine();
const { client, taskQueue } = engine;
// No worker executes these runs, so their state does not change.
const namespace = 'lists';
const { workflow } = new Client({ connection: engine.connection, namespace });

const key = defineSearchAttributeKey;
const day = (date: string): Date => new Date(`2026-${date}T12:00:00Z`);
const runs: Record<string, SearchAttributePair[]> = {
  a: [
    { key: key('Customer', 'KEYWORD'), value: 'ada' },
    { key: key('Amount', 'INT'), value: 5 },
    { key: key('Due', 'DATETIME'), value: day('01-10') },
    { key: key('Tags', 'KEYWORD_LIST'), value: ['new', 'gift'] },
    { key: key('Note', 'TEXT'), value: 'Handle with care' },
    { key: key('Urgent', 'BOOL'), value: true },
  ],
  b: [
    { key: key('Customer', 'KEYWORD'), value: 'bob' },
    { key: key('Amount', 'DOUBLE'), value: 7.5 },
    { key: key('Due', 'DATETIME'), value: day('03-01') },
    { key: key('Tags', 'KEYWORD_LIST'), value: ['old'] },
    { key: key('Urgent', 'BOOL'), value: false },
  ],
  c: [
    { key: key('Customer', 'KEYWORD'), value: '2026-01-10T12:00:00.000Z' },
    { key: key('Amount', 'KEYWORD'), value: 'five' },
    { key: key('Odd "name\' `x', 'KEYWORD'), value: 'quo\'te"' },
  ],
  d: [],
};
const ids: Record<string, string> = {};
for (const [workflowId, typedSearchAttributes] of Object.entries(runs)) {
  const workflowType = workflowId === 'd' ? 'refund' : 'order';
  const handle = await workflow.start(workflowType, { workflowId, taskQueue, typedSearchAttributes });
  ids[workflowId] = handle.runId!;
}
await workflow.getHandle('c').terminate();

async function found(query: string, options: ListOptions = {}): Promise<string> {
  const listed: string[] = [];
  for await (const run of workflow.list({ query, ...options })) listed.push(run.workflowId);
  return listed.join('');
}

/** The runs that each query finds, ordered by workflow id. */
const cases: readonly [string, string][] = [
  ['', 'abcd'],
  ["WorkflowId = 'a'", 'a'],
  ["WorkflowId > 'b'", 'cd'],
  ["WorkflowId BETWEEN 'b' AND 'c'", 'bc'],
  ["WorkflowId IN ('a', 'd', 'x')", 'ad'],
  ["WorkflowId STARTS_WITH 'a'", 'a'],
  ["WorkflowType != 'order'", 'd'],
  ["WorkflowType NOT STARTS_WITH 'ord'", 'd'],
  ["TaskQueue = 'test'", 'abcd'],
  [`RunId = '${ids['b']}'`, 'b'],
  [`RunId NOT IN ('${ids['b']}', '${newRunId()}')`, 'acd'],
  ["ExecutionStatus = 'Running'", 'abd'],
  ["ExecutionStatus = 'terminated'", 'c'],
  ["NOT ExecutionStatus IN ('RUNNING', 'TimedOut')", 'c'],
  ['CloseTime IS NULL', 'abd'],
  ["CloseTime > '2020-01-01'", 'c'],
  ["NOT CloseTime > '2020-01-01'", ''],
  ["StartTime > '2020-01-01T00:00:00Z' AND StartTime < '2999-01-01'", 'abcd'],
  ["StartTime NOT BETWEEN '2020-01-01' AND '2999-01-01'", ''],
  ["ExecutionTime >= '2020-01-01'", 'abcd'],
  ['HistoryLength = 1', 'abd'],
  ['HistoryLength > 1', 'c'],
  ["Customer = 'ada'", 'a'],
  ["Customer != 'ada'", 'bc'],
  ["NOT Customer = 'ada'", 'bc'],
  ["Customer IN ('ada', 'bob')", 'ab'],
  ["Customer NOT IN ('ada')", 'bc'],
  ["Customer STARTS_WITH 'b'", 'b'],
  ["Customer NOT STARTS_WITH 'b'", 'ac'],
  ["Customer >= 'b'", 'b'],
  ["Customer BETWEEN 'a' AND 'b'", 'a'],
  ["Customer NOT BETWEEN 'a' AND 'b'", 'bc'],
  ['Customer IS NULL', 'd'],
  ['Customer IS NOT NULL', 'abc'],
  ["`Customer` = 'ada'", 'a'],
  ["customer = 'ada'", ''],
  ['Amount = 5', 'a'],
  ['Amount = 5.0', 'a'],
  ["Amount = '5'", ''],
  ["Amount = 'five'", 'c'],
  ['Amount != 5', 'bc'],
  ['Amount > 4', 'ab'],
  ['NOT Amount > 5', 'a'],
  ['Amount BETWEEN 5 AND 7.5', 'ab'],
  ['Amount NOT BETWEEN 5 AND 7', 'b'],
  ['Amount IN (7.5, 100)', 'b'],
  ['Urgent = true', 'a'],
  ['Urgent != true', 'b'],
  ["Due = '2026-01-10T13:00:00+01:00'", 'a'],
  ["Due < '2026-02-01'", 'a'],
  ["Due BETWEEN '2026-01-01' AND '2026-12-31'", 'ab'],
  ["Due > 'tomorrow'", ''],
  ["Customer = '2026-01-10T12:00:00.000Z'", 'c'],
  ["Customer < '2026-02'", 'c'],
  ["Tags = 'gift'", 'a'],
  ["Tags IN ('gift', 'old')", 'ab'],
  ["Tags != 'gift'", 'b'],
  ["Tags STARTS_WITH 'ol'", 'b'],
  ["Tags > 'a'", ''],
  ["Note = 'handle'", 'a'],
  ["Note = 'care handle'", 'a'],
  ["Note = 'handle carelessly'", ''],
  ["Note = 'Handle with care'", 'a'],
  ["Note = '!'", ''],
  [`\`Odd "name' \`\`x\` = 'quo''te"'`, 'c'],
  ["Customer = 'ada'' or 1=1 --'", ''],
  ["(Amount > 4 OR Customer IS NULL) AND NOT WorkflowId = 'a'", 'bd'],
  ["Missing = 1 OR WorkflowType = 'refund'", 'd'],
  ['Missing != 1', ''],
];

test('a query finds the matching runs', async () => {
  for (const [query, expected] of cases) {
    const letters = [...(await found(query))].toSorted().join('');
    assert.equal(letters, expected, query);
    const { count, groups } = await workflow.count(query);
    assert.deepEqual([count, groups], [expected.length, []], query);
  }
});

test('lists are in the requested order, page by page, with every run once', async () => {
  for (const pageSize of [1, 2, 3, 4, 100]) {
    assert.equal(await found('', { pageSize }), 'dcba');
    assert.equal(await found('ORDER BY StartTime', { pageSize }), 'abcd');
    assert.equal(await found("WorkflowType = 'order' ORDER BY StartTime DESC", { pageSize }), 'cba');
    assert.equal(await found('ORDER BY CloseTime', { pageSize }), 'cabd');
    assert.equal(await found('ORDER BY CloseTime DESC', { pageSize }), 'dbac');
  }
});

test('a count has groups by status', async () => {
  const { count, groups } = await workflow.count("WorkflowType = 'order' GROUP BY ExecutionStatus");
  assert.equal(count, 3);
  assert.deepEqual(groups, [
    { count: 2, groupValues: [['Running']] },
    { count: 1, groupValues: [['Terminated']] },
  ]);
  assert.deepEqual(await workflow.count(), { count: 4, groups: [] });
});

test('an error in a query names its position', async () => {
  const faults: readonly [string, RegExp][] = [
    ["ExecutionStatus = 'Lost'", /at character 19 .*found "Lost", expected Running, Completed/],
    ["ExecutionStatus = 'constructor'", /found "constructor", expected Running, Completed/],
    ["ExecutionStatus > 'Running'", /an order of ExecutionStatus/],
    ["RunId STARTS_WITH '0'", /STARTS_WITH of RunId/],
    ["RunId = 'x'", /expected a run id/],
    ["StartTime > 'yesterday'", /expected a time such as/],
    ['StartTime > 5', /expected a time such as/],
    ["HistoryLength > '5'", /expected a number/],
    ['WorkflowId = 5', /expected a text in quotes/],
    ['Customer STARTS_WITH 5', /expected a text in quotes/],
    ['Urgent > true', /found an order of true and false/],
    ["workflowid = 'a'", /found workflowid, expected WorkflowId/],
    ['TemporalOtherVersion = 1', /reserved prefix: 'Temporal'/],
    ['TemporalChangeVersion = 1', /expected a text in quotes/],
    ["TemporalChangeVersion > 'a'", /an order of TemporalChangeVersion, expected =/],
    ['ORDER BY Customer', /expected StartTime or CloseTime/],
    ['GROUP BY ExecutionStatus', /GROUP BY in a list/],
  ];
  for (const [query, message] of faults) await assert.rejects(found(query), { code: 'INVALID_INPUT', message }, query);
  await assert.rejects(workflow.count('ORDER BY StartTime'), { code: 'INVALID_INPUT', message: /ORDER BY in a count/ });
  await assert.rejects(workflow.count('GROUP BY WorkflowType'), {
    code: 'INVALID_INPUT',
    message: /expected ExecutionStatus/,
  });
  for (const options of [{ pageSize: 0 }, { pageSize: 1.5 }, { query: 5 }, { qurey: 'x' }]) {
    await assert.rejects(found('', options as unknown as ListOptions), { code: 'INVALID_INPUT' });
  }
});

test('histories come in the order of the list, whatever the concurrency', async () => {
  for (const options of [{}, { concurrency: 1 }, { concurrency: 3, bufferLimit: 2 }]) {
    const seen: string[] = [];
    for await (const { workflowId, history } of workflow.list({ pageSize: 2 }).intoHistories(options)) {
      assert.equal(history.events[0]?.['eventType'], 'WorkflowExecutionStarted');
      seen.push(workflowId);
    }
    assert.equal(seen.join(''), 'dcba');
  }
  for await (const { workflowId } of workflow.list().intoHistories()) {
    assert.equal(workflowId, 'd');
    break;
  }
  const refused = workflow.list().intoHistories({ concurrency: 0 })[Symbol.asyncIterator]();
  await assert.rejects(refused.next(), { code: 'INVALID_INPUT' });
});

test('a list reflects the current state of runs', async () => {
  const query = "Stage = 'packed' ORDER BY StartTime";
  const handle = await client.workflow.start('describesItself', {
    workflowId: 'changing',
    taskQueue,
    args: [[{ attributes: { Stage: ['packed'] } }]],
  });
  await handle.query('seenProperties');
  assert.equal((await client.workflow.count(query.replace(/ ORDER.*/, ''))).count, 1);
  for await (const run of client.workflow.list({ query }))
    assert.deepEqual(run.searchAttributes, { Stage: ['packed'] });
  await handle.signal('changeProperties', [{ attributes: { Stage: [] } }, { finish: true }]);
  await handle.result();
  assert.equal((await client.workflow.count("Stage = 'packed'")).count, 0);
});
