// MOCK_TOOLS on runs that are recorded in memory: the point where it stops, replaced results, the end of the log, and
// what it reports about changed code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '../../../runtime/core/failure/failure.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { encodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { mockTools, mockToolsReport, type MockToolsOptions } from '../../../runtime/replay/mock/mock-tools.ts';
import { recordedState } from '../../../runtime/replay/context/patch-only.ts';
import type { ReplayCall, ReplayReport } from '../../../runtime/replay/report.ts';
import type { ResultMock } from '../../../runtime/replay/mock/result-mocks.ts';
import type { HistorySource } from '../../../runtime/core/log/history-source.ts';
import type { Sandbox } from '../../../runtime/sandbox/realm/sandbox.ts';
import { type Recording, recordRun } from '../../support/recorded-run.ts';
import { ListedHistory } from '../../support/run-files.ts';
import { sandboxOf } from '../sandbox/workflow-files.ts';

const head = `import { CancellationScope, condition, defineContext, defineSignal, getExternalWorkflowHandle, patched, proxyActivities, proxyLocalActivities, setHandler, sleep, executeChild, upsertMemo } from 'reprise/workflow';
interface Acts { reserve(order: unknown): Promise<string>; charge(cents: number): Promise<string>; refund(cents: number): Promise<string> }
const { reserve, charge, refund } = proxyActivities<Acts>({ startToCloseTimeout: '1m' });
const local = proxyLocalActivities<Acts>({ startToCloseTimeout: '1m' });
const account = defineContext<{ log: string[] }>({ log: [] });
const note = (line: string): void => account.patch({ op: 'append', path: '/log', value: line });
export const go = defineSignal<[string]>('go');
`;

function sandboxWith(body: string): Promise<Sandbox> {
  return sandboxOf({ 'workflows.ts': `${head}export async function order(): Promise<unknown> {\n  ${body}\n}\n` });
}

const echo: NonNullable<Recording['answer']> = (name, args) => ({ value: `${name} ${JSON.stringify(args[0])}` });

async function report(source: HistorySource, sandbox: Sandbox, options: MockToolsOptions = {}): Promise<ReplayReport> {
  const replayed = await mockTools(source, sandbox, options);
  return mockToolsReport(replayed, await recordedState(source, options.to ?? source.head), 1);
}

async function changed(before: string, after: string, recording: Recording = {}): Promise<ReplayReport> {
  const log = recordRun(await sandboxWith(before), { answer: echo, ...recording });
  return report(log, await sandboxWith(after), { onDivergence: 'report' });
}

function texts(calls: readonly ReplayCall[]): string[] {
  return calls.map(({ type, name, id, isApproximate }) =>
    [isApproximate === true ? '~' : '', type, name ?? '', id ?? ''].join(' ').trim().replaceAll('  ', ' '),
  );
}

const steps = `note('a'); note(await reserve(1)); note('b'); note('c'); note(await charge(2)); return account.state.log.length;`;

test('unchanged code gives the recorded document at every seq, also inside turns', async () => {
  const sandbox = await sandboxWith(steps);
  const log = recordRun(sandbox, { answer: echo });
  assert.ok(log.head > 10);
  for (let to = 1; to <= log.head; to++) {
    const { success, stateHash, expectedHash, state, toSeq, end, events } = await report(log, sandbox, { to });
    const recorded = await recordedState(log, to);
    assert.deepEqual([success, toSeq, events, stateHash], [true, to, to, expectedHash], `to ${to}`);
    assert.deepEqual(state, recorded.state);
    assert.equal(end, to === log.head ? 'closed' : 'to');
  }
});

test('a replay that stops inside a turn ignores what the code does behind the point', async () => {
  const log = recordRun(await sandboxWith(`note('a'); note('b'); await reserve(1);`), { answer: echo });
  const other = await sandboxWith(`note('a'); note('x'); await charge(1);`);
  const second = log.events.findIndex(({ ops }) => ops?.includes('"b"') === true) + 1;
  assert.equal((await report(log, other, { to: second - 1 })).success, true);
  const { success, divergences } = await report(log, other, { to: second });
  assert.equal(success, false);
  assert.deepEqual([divergences[0]?.kind, divergences[0]?.seq], ['patch', second]);
});

test('the first divergence stops the replay: with both commands, the place and the remedy', async () => {
  const log = recordRun(await sandboxWith('await reserve({}); await charge(5);'), { answer: echo });
  const diverged = await report(log, await sandboxWith('await reserve({}); await refund(5);'));
  assert.deepEqual(
    [diverged.success, diverged.end, diverged.state, diverged.stateHash],
    [false, 'stopped', undefined, null],
  );
  const [{ message, ...divergence } = { message: '' }] = diverged.divergences;
  assert.deepEqual(divergence, {
    seq: 4,
    kind: 'name',
    code: 'DETERMINISM',
    recorded: 'ActivityScheduled charge (2)',
    produced: 'ActivityScheduled refund (2)',
    place: 'order (workflows.ts:9:28)',
  });
  assert.match(message, /the history holds ActivityScheduled of activity 'charge'.*What to do: /s);
});

test('code that throws is an error with its place', async () => {
  const log = recordRun(await sandboxWith('await reserve({}); await charge(5);'), { answer: echo });
  const { divergences, success } = await report(
    log,
    await sandboxWith("await reserve({}); throw new TypeError('no');"),
  );
  assert.equal(success, false);
  assert.deepEqual(
    divergences.map(({ seq, kind, code, place }) => ({ seq, kind, code, place })),
    [{ seq: 4, kind: 'error', code: 'WORKFLOW_ERROR', place: 'order (workflows.ts:9:28)' }],
  );
});

const mock = (key: string, value: unknown): ResultMock => ({ key, payload: encodePayload(value), failed: false });
const failure = (key: string, message: string): ResultMock => ({
  key,
  payload: encodeFailure(ApplicationFailure.nonRetryable(message)),
  failed: true,
});
const threeCalls = `note(await reserve(1)); note(await reserve(2)); note(await charge(3).catch((error) => error.cause.message));`;

test('mocks replace results by type, by the n-th call of a type and by id, the most exact first, and are marked', async () => {
  const sandbox = await sandboxWith(threeCalls);
  const log = recordRun(sandbox, { answer: echo });
  const mocks = [mock('reserve', 'every'), mock('reserve#2', 'second'), failure('3', 'declined'), mock('refund', 0)];
  // The document is another then, so the recorded patches differ.
  const { mocked, state, divergences } = await report(log, sandbox, { mocks, onDivergence: 'report' });
  assert.deepEqual(state, { log: ['every', 'second', 'declined'] });
  assert.deepEqual(
    mocked.map(({ mock: key, seqs }) => [key, seqs.length]),
    [
      ['reserve', 1],
      ['reserve#2', 1],
      ['3', 1],
      ['refund', 0],
    ],
  );
  assert.equal(divergences[0]?.kind, 'patch');
});

test('a mock with the recorded value changes nothing', async () => {
  const sandbox = await sandboxWith(threeCalls);
  const log = recordRun(sandbox, { answer: echo });
  const { success, mocked } = await report(log, sandbox, { mocks: [mock('charge', 'charge 3')] });
  assert.deepEqual([success, mocked[0]?.seqs.length], [true, 1]);
});

function open(log: ListedHistory): readonly string[] {
  return log.events.map(({ type }) => type);
}

test('an open run ends with what the code waits for', async () => {
  const sandbox = await sandboxWith(
    `note('a'); await Promise.all([reserve(1), sleep(1e9), executeChild('sub', { workflowId: 'kid' })]);`,
  );
  const log = recordRun(sandbox, { answer: () => undefined });
  assert.ok(!open(log).includes('WorkflowCompleted'));
  const { success, end, nextCommands, state } = await report(log, sandbox);
  assert.deepEqual([success, end, state], [true, 'end-of-log', { log: ['a'] }]);
  assert.deepEqual(texts(nextCommands ?? []), ['ActivityScheduled reserve 1', 'TimerStarted']);
  assert.ok(nextCommands?.every(({ seq }) => seq !== undefined));
});

test('a log that ends with inputs that no turn has seen is continued, and the next commands are told', async () => {
  const sandbox = await sandboxWith(`note(await reserve(1)); await charge(2);`);
  const whole = recordRun(sandbox, { answer: echo });
  const failed = recordRun(sandbox, { answer: echo, turnsMax: 1 });
  const result = whole.events.find(({ type }) => type === 'ActivityCompleted')!;
  const taskFailed = {
    ...result,
    seq: result.seq + 1,
    type: 'WorkflowTaskFailed',
    payload: null,
    hash: new Uint8Array(32),
  } as const;
  const log = new ListedHistory(failed.runId, [...failed.events, { ...result, hash: null }, taskFailed]);
  const { end, nextCommands, success, state, toSeq } = await report(log, sandbox);
  assert.deepEqual([success, end, toSeq, state], [true, 'end-of-log', log.head, undefined]);
  assert.deepEqual(texts(nextCommands ?? []), ['ContextPatched', 'ContextPatched', 'ActivityScheduled charge 2']);
  const broken = await report(log, await sandboxWith(`note(await reserve(1)); throw new Error('still broken');`));
  assert.deepEqual([broken.success, broken.end, broken.divergences[0]?.kind], [false, 'stopped', 'error']);
});

test('with a stub, an open run goes on to its end', async () => {
  const sandbox = await sandboxWith(`note(await reserve(1)); await sleep(1e7); note(await charge(2)); return 'done';`);
  const log = recordRun(sandbox, { answer: () => undefined });
  const stub = encodePayload('stubbed');
  const { success, end, nextCommands } = await report(log, sandbox, { stub });
  assert.deepEqual([success, end, nextCommands], [true, 'closed', undefined]);
  const mocked = await report(log, sandbox, { mocks: [mock('reserve#1', 'mine')] });
  assert.deepEqual(texts(mocked.nextCommands ?? []), ['ContextPatched', 'ContextPatched', 'TimerStarted']);
  assert.deepEqual(mocked.mocked[0]?.seqs.length, 1);
});

test('report: an added activity is extra, and the calls behind it match by their arguments', async () => {
  const { divergences, missing, extra, end } = await changed(
    'await reserve(1); await charge(2);',
    'await reserve(1); await refund(9); await charge(2);',
  );
  assert.deepEqual(
    divergences.map(({ kind, seq }) => [kind, seq]),
    [['name', 4]],
  );
  assert.deepEqual(texts(extra), ['ActivityScheduled refund 2']);
  assert.deepEqual(texts(missing), ['ActivityScheduled charge 2', '~ WorkflowCompleted']);
  assert.equal(end, 'end-of-log');
});

test('report: with a stub for the added activity the rest of the record is followed', async () => {
  const log = recordRun(await sandboxWith('await reserve(1); note(await charge(2));'), { answer: echo });
  const after = await sandboxWith('await reserve(1); await refund(9); note(await charge(2));');
  const { missing, extra, end, state } = await report(log, after, { onDivergence: 'report', stub: encodePayload(0) });
  assert.deepEqual([texts(missing), texts(extra), end], [[], ['ActivityScheduled refund 2'], 'closed']);
  assert.deepEqual(state, { log: ['charge 2'] });
});

test('report: a removed activity is missing, and the calls behind it get their results', async () => {
  const { missing, extra, end, state } = await changed(
    'await reserve(1); await refund(9); note(await charge(2));',
    'await reserve(1); note(await charge(2));',
  );
  assert.deepEqual([texts(missing), texts(extra), end], [['ActivityScheduled refund 2'], [], 'closed']);
  assert.deepEqual(state, { log: ['charge 2'] });
});

test('report: two calls in another order get the results that the record has for them', async () => {
  const { divergences, missing, extra, end, state } = await changed(
    'note(await reserve(1)); note(await charge(2));',
    'note(await charge(2)); note(await reserve(1));',
  );
  assert.equal(divergences.length, 1);
  assert.deepEqual([texts(missing), texts(extra), end], [[], [], 'closed']);
  assert.deepEqual(state, { log: ['charge 2', 'reserve 1'] });
});

test('report: changed arguments of a call match by its id behind a divergence', async () => {
  const { missing, extra, end } = await changed(
    `await sleep(1); await reserve(1); await charge(2);`,
    `await sleep(1); note('new'); await reserve(7); await charge(2);`,
  );
  assert.deepEqual([texts(missing), end], [[], 'closed']);
  assert.deepEqual(texts(extra), ['ContextPatched', 'ContextPatched']);
});

test('report: an added timer fires in recorded time, and a removed one is missing', async () => {
  const added = await changed('await reserve(1);', 'await sleep(1000); await reserve(1);');
  assert.deepEqual([texts(added.missing), texts(added.extra), added.end], [[], ['TimerStarted'], 'closed']);
  const removed = await changed('await sleep(1000); await reserve(1);', 'await reserve(1);');
  assert.deepEqual([texts(removed.missing), texts(removed.extra), removed.end], [['TimerStarted'], [], 'closed']);
});

test('report: children and messages match by workflow id', async () => {
  const child = (id: string): string => `await executeChild('sub', { workflowId: '${id}' });`;
  const signal = (id: string): string => `await getExternalWorkflowHandle('${id}').signal('go', 1);`;
  const moved = await changed(
    `${child('a')} ${signal('x')} ${child('b')}`,
    `${child('b')} ${signal('x')} ${child('a')}`,
  );
  assert.deepEqual([texts(moved.missing), texts(moved.extra), moved.end], [[], [], 'closed']);
  const other = await changed(child('a'), child('z'));
  assert.deepEqual(texts(other.extra), ['ChildWorkflowInitiated sub z']);
  assert.deepEqual(texts(other.missing), ['ChildWorkflowInitiated sub a', '~ WorkflowCompleted']);
});

test('report: another context patch, marker, memo, cancellation and local activity', async () => {
  const patch = await changed(`note('a'); await reserve(1);`, `note('z'); await reserve(1);`);
  assert.deepEqual([patch.missing.length, patch.extra.length, patch.end], [1, 1, 'closed']);
  assert.deepEqual([patch.missing[0]?.type, patch.extra[0]?.isApproximate], ['ContextPatched', undefined]);
  const marker = await changed(`if (patched('x')) await reserve(1);`, 'await reserve(1);');
  assert.deepEqual([texts(marker.missing), marker.end], [['VersionMarked x'], 'closed']);
  const memo = await changed(`upsertMemo({ a: 1 }); await reserve(1);`, `upsertMemo({ a: 2 }); await reserve(1);`);
  assert.ok([memo.missing.length, memo.extra.length].every((count) => count <= 1));
  const cancelled = `const scope = new CancellationScope(); const calls = scope.run(() => Promise.all([reserve(1), charge(2)])).catch(() => 0); await sleep(1); `;
  const cancel = await changed(`${cancelled} scope.cancel(); await calls;`, `${cancelled} await calls;`, {
    answer: () => undefined,
  });
  assert.ok(texts(cancel.missing).some((text) => text.includes('ActivityCancelRequested')));
  const remote = await changed('await local.reserve(1);', 'await reserve(1);');
  assert.deepEqual(
    [texts(remote.missing)[0], texts(remote.extra)[0]],
    ['ActivityScheduled reserve 1', 'ActivityScheduled reserve 1'],
  );
});

test('report: signals and their handlers go on behind a divergence', async () => {
  const listen = `let seen = ''; setHandler(go, (text) => { seen = text; }); await condition(() => seen !== ''); note(seen);`;
  const { state, end, extra } = await changed(
    `await reserve(1); ${listen}`,
    `await Promise.all([reserve(1), refund(2)]); ${listen}`,
    {
      signals: { 2: { name: 'go', args: ['hello'] } },
    },
  );
  assert.deepEqual([end, texts(extra)], ['end-of-log', ['ActivityScheduled refund 2']]);
  assert.deepEqual(state, undefined);
});

test('report: code that ends early leaves the rest missing', async () => {
  const { missing, extra, end } = await changed('await reserve(1); await charge(2);', 'await reserve(1);');
  assert.deepEqual([texts(missing), texts(extra), end], [['ActivityScheduled charge 2'], [], 'closed']);
});

test('report: code that throws behind a divergence is a second divergence', async () => {
  const { divergences, end } = await changed(
    'await reserve(1); await charge(2);',
    `await reserve(1); await Promise.all([charge(2), refund(3)].slice(0, 1)); throw new Error('x');`,
  );
  assert.deepEqual([divergences.map(({ kind }) => kind), end], [['added', 'error'], 'stopped']);
});

test('code that calls for ever stops after 10,000 turns of its own', async () => {
  const log = recordRun(await sandboxWith('await reserve(1);'), { answer: echo });
  const endless = await sandboxWith('for (;;) await charge(1);');
  const { end, extra } = await report(log, endless, { onDivergence: 'report', stub: null });
  assert.deepEqual([end, extra.length > 1000], ['end-of-log', true]);
});
