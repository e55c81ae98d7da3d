// The messages that engineers read when changed code replays an open run: one golden text per kind of change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskFailure } from '../../../runtime/core/log/activation.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { engineNumber } from '../../../runtime/core/log/engine-number.ts';
import type { NewEvent, HistoryEvent } from '../../../runtime/core/log/event.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { explainedFailure } from '../../../runtime/sandbox/stacks/explained-failure.ts';
import type { Sandbox } from '../../../runtime/sandbox/realm/sandbox.ts';
import { RunReplay } from '../../../runtime/replay/run-replay.ts';
import { event, sandboxOf, seedOne, startAt } from './workflow-files.ts';

const head = `import { CancellationScope, defineContext, getExternalWorkflowHandle, patched, proxyActivities, sleep, startChild } from 'reprise/workflow';
import { viaLibrary } from 'wrapping';
interface Acts { reserve(order: object): Promise<void>; charge(cents: number): Promise<void>; refund(cents: number): Promise<void> }
const { reserve, charge, refund } = proxyActivities<Acts>({ startToCloseTimeout: '1m' });
const bill = proxyActivities<Acts>({ startToCloseTimeout: '1m', activityId: 'bill' });
const account = defineContext<{ cents: number }>({ cents: 0 });
const both = { startToCloseTimeout: '1m' } as const;
`;

/** A change: the body before, the body after, and the message, with $ for its place. */
interface Change {
  readonly before: string;
  readonly after: string;
  readonly text: string;
  /** 2 when the history also holds the first activity's result. */
  readonly turns?: 2;
}

const replaced =
  "What to do: keep the code as it was for open runs: if (patched('a-name-for-this-change')) { new code } else { old code }; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.";
const removed =
  "What to do: keep it for open runs: if (!patched('a-name-for-this-change')) { the removed code }; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.";
const added =
  "What to do: leave it out in open runs: if (patched('a-name-for-this-change')) { the added code }; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.";

const changes: Record<string, Change> = {
  'another activity': {
    before: 'await reserve({}); await charge(5);',
    after: 'await reserve({}); await refund(5);',
    turns: 2,
    text: `Nondeterminism error at event 4 (ActivityScheduled): the history holds ActivityScheduled of activity 'charge' with id '2', but the workflow code produced ActivityScheduled of activity 'refund' with id '2'.
The code issues the same kind of command with another name.
Issued at: order (workflows.ts:9:26)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
  2 ActivityScheduled of activity 'reserve' with id '1'
  3 ActivityCompleted of event 2
${replaced}`,
  },
  'another kind of command': {
    before: 'await charge(5);',
    after: 'await sleep(5);',
    text: `Nondeterminism error at event 2 (ActivityScheduled): the history holds ActivityScheduled of activity 'charge' with id '1', but the workflow code produced TimerStarted.
The code issues another kind of command here.
Issued at: order (workflows.ts:9:7)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
${replaced}`,
  },
  'another id and other arguments': {
    before: "await bill.reserve({ lines: [{ sku: 'a', amount: 1 }], note: 'x' });",
    after: "await reserve({ lines: [{ sku: 'a', amount: 2 }, {}], rush: true });",
    text: `Nondeterminism error at event 2 (ActivityScheduled): the history holds ActivityScheduled of activity 'reserve' with id 'bill', but the workflow code produced ActivityScheduled of activity 'reserve' with id '1'.
The command is the same but has another id.
Issued at: order (workflows.ts:9:7)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
Differences in the arguments (a hint: arguments are not compared):
  /0/lines/0/amount: 1 in the history, 2 from the code
  /0/lines/1: nothing in the history, {} from the code
  /0/note: "x" in the history, nothing from the code
  /0/rush: nothing in the history, true from the code
What to do: give it its recorded id; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.`,
  },
  'another order': {
    before: 'await Promise.all([charge(5), reserve({})]);',
    after: 'await Promise.all([reserve({}), charge(5)]);',
    text: `Nondeterminism error at event 2 (ActivityScheduled): the history holds ActivityScheduled of activity 'charge' with id '1', but the workflow code produced ActivityScheduled of activity 'reserve' with id '1'.
The code issues the same commands in another order.
Issued at: order (workflows.ts:9:20)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
${replaced}`,
  },
  'a removed command, the last': {
    before: 'await Promise.all([charge(5), reserve({})]);',
    after: 'await charge(5);',
    text: `Nondeterminism error at event 3 (ActivityScheduled): the history holds ActivityScheduled of activity 'reserve' with id '2', but the workflow code produced nothing more in this turn.
The code no longer issues the command that the history holds.
The code waits at:
  activity in order (workflows.ts:9:7)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
  2 ActivityScheduled of activity 'charge' with id '1'
${removed}`,
  },
  'a removed command, in the middle': {
    before: 'await Promise.all([charge(5), sleep(9), reserve({})]);',
    after: 'await Promise.all([charge(5), reserve({})]);',
    text: `Nondeterminism error at event 3 (TimerStarted): the history holds TimerStarted, but the workflow code produced ActivityScheduled of activity 'reserve' with id '2'.
The code no longer issues the command that the history holds.
Issued at: order (workflows.ts:9:31)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
  2 ActivityScheduled of activity 'charge' with id '1'
${removed}`,
  },
  'an added command, the last': {
    before: 'await charge(5);',
    after: 'await Promise.all([charge(5), helper()]);\n}\nasync function helper() {\n  await sleep(5);',
    text: `Nondeterminism error at event 3 (TimerStarted): the history holds nothing more in this turn, but the workflow code produced TimerStarted.
The code issues a command that the history does not hold.
Issued at: helper (workflows.ts:12:9)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
  2 ActivityScheduled of activity 'charge' with id '1'
${added}`,
  },
  'an added command in front, issued by a library': {
    before: 'await charge(5);',
    after: 'await viaLibrary(() => sleep(5)); await charge(5);',
    text: `Nondeterminism error at event 2 (ActivityScheduled): the history holds ActivityScheduled of activity 'charge' with id '1', but the workflow code produced TimerStarted.
The code issues another kind of command here.
Issued at: workflows.ts:9:24
Events before it, which the code followed:
  1 WorkflowStarted 'order'
${replaced}`,
  },
  'a removed cancellation': {
    before:
      'const scope = new CancellationScope(); void scope.run(() => sleep(9)).catch(() => undefined); await reserve({}); scope.cancel(); await charge(1);',
    after:
      'const scope = new CancellationScope(); void scope.run(() => sleep(9)).catch(() => undefined); await reserve({}); await charge(1);',
    turns: 2,
    text: `Nondeterminism error at event 6 (TimerCancelled): the history holds TimerCancelled of event 2, but the workflow code produced nothing more in this turn.
The code no longer issues the command that the history holds.
The code waits at:
  sleep in workflows.ts:9:61
  CancellationScope.run in order (workflows.ts:9:71)
  activity in order (workflows.ts:9:120)
Events before it, which the code followed:
  3 ActivityScheduled of activity 'reserve' with id '1'
  4 ActivityCompleted of event 3
  5 ActivityScheduled of activity 'charge' with id '2'
${removed}`,
  },
  'an earlier end': {
    before: 'await charge(5);',
    after: '',
    text: `Nondeterminism error at event 2 (ActivityScheduled): the history holds ActivityScheduled of activity 'charge' with id '1', but the workflow code produced WorkflowCompleted.
The code issues another kind of command here.
Events before it, which the code followed:
  1 WorkflowStarted 'order'
${replaced}`,
  },
  'another patch of the context': {
    before: 'account.update((draft) => { draft.cents += 5; }); await charge(5);',
    after: 'account.update((draft) => { draft.cents += 6; }); await charge(5);',
    text: `Nondeterminism error at event 3 (ContextPatched): the history holds ContextPatched by system 'order' with [{"op":"replace","path":"/cents","value":5,"prev":0}], but the workflow code produced ContextPatched by system 'order' with [{"op":"replace","path":"/cents","value":6,"prev":0}].
The context patch is different.
Issued at: order (workflows.ts:9:9)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
  2 ContextPatched by system 'order' with [{"op":"add","path":"","value":{"cents":0}}]
Differences in the operations:
  /ops/0/value: 5 in the history, 6 from the code
${replaced}`,
  },
  'another child workflow': {
    before: "await startChild('invoice', { workflowId: 'i-1', args: [1] });",
    after: "await startChild('receipt', { workflowId: 'i-1', args: [1] });",
    text: `Nondeterminism error at event 2 (ChildWorkflowInitiated): the history holds ChildWorkflowInitiated of workflow 'invoice' with id 'i-1', but the workflow code produced ChildWorkflowInitiated of workflow 'receipt' with id 'i-1'.
The code issues the same kind of command with another name.
Issued at: order (workflows.ts:9:7)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
${replaced}`,
  },
  'a child workflow with another id': {
    before: "await startChild('invoice', { workflowId: 'i-1', args: [1] });",
    after: "await startChild('invoice', { workflowId: 'i-2', args: [2] });",
    text: `Nondeterminism error at event 2 (ChildWorkflowInitiated): the history holds ChildWorkflowInitiated of workflow 'invoice' with id 'i-1', but the workflow code produced ChildWorkflowInitiated of workflow 'invoice' with id 'i-2'.
The command is the same but has another id.
Issued at: order (workflows.ts:9:7)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
Differences in the arguments (a hint: arguments are not compared):
  /0: 1 in the history, 2 from the code
What to do: give it its recorded id; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.`,
  },
  'a signal to another workflow': {
    before: "await getExternalWorkflowHandle('a').signal('go');",
    after: "await getExternalWorkflowHandle('b').signal('go');",
    text: `Nondeterminism error at event 2 (ExternalSignalInitiated): the history holds ExternalSignalInitiated of signal 'go' to workflow 'a', but the workflow code produced ExternalSignalInitiated of signal 'go' to workflow 'b'.
The command is the same but has another id.
Issued at: order (workflows.ts:9:38)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
What to do: give it its recorded id; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.`,
  },
  'a version marker that the code no longer asks for': {
    before: "if (patched('a')) await charge(5);",
    after: 'await charge(5);',
    text: `Nondeterminism error at event 2 (VersionMarked): the history holds VersionMarked 'a', but the workflow code produced ActivityScheduled of activity 'charge' with id '1'.
The code no longer issues the command that the history holds.
Issued at: order (workflows.ts:9:7)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
${removed}`,
  },
};

const library = {
  'node_modules/wrapping/package.json': '{"name":"wrapping","main":"index.js"}',
  'node_modules/wrapping/index.js': 'exports.viaLibrary = (fn) => fn();',
};

function sandboxWith(body: string): Promise<Sandbox> {
  return sandboxOf({ 'workflows.ts': `${head}export async function order() {\n${body}\n}`, ...library });
}

/** A log as the worker would write it. */
function record(sandbox: Sandbox, turns: number): HistoryEvent[] {
  const run = sandbox.createRun('run');
  const meta = JSON.stringify({
    workflowId: 'w',
    taskQueue: 'q',
    namespace: 'default',
    seed: seedOne,
    engine: engineNumber,
  });
  const log: HistoryEvent[] = [];
  let input: NewEvent | undefined = newEvent(1, 'WorkflowStarted', { name: 'order', payload: encodePayload([]), meta });
  for (let turn = 0; turn < turns && input !== undefined; turn++) {
    const at = startAt + turn;
    const inputs = [event(input, at)];
    const result = run.activate({ at, inputs, nextSeq: log.length + 2 });
    assert.ok(result.ok);
    const events = [...inputs, ...result.outputs.map((output) => event(output, at))];
    log.push(...events.slice(0, -1), { ...events.at(-1)!, hash: new Uint8Array(32) });
    const scheduled = log.find(({ type }) => type === 'ActivityScheduled');
    input = scheduled && newEvent(log.length + 1, 'ActivityCompleted', { answers: scheduled.seq });
  }
  return log;
}

function explain(sandbox: Sandbox, log: readonly HistoryEvent[]): TaskFailure | undefined {
  const tracer = sandbox.traceWaits();
  try {
    const replay = new RunReplay(sandbox.createRun('run'), { explains: true });
    replay.take(log);
    return replay.failure && explainedFailure(replay.failure, { previous: replay.previous, waits: tracer.waits() });
  } finally {
    tracer.stop();
  }
}

for (const [name, { before, after, text, turns = 1 }] of Object.entries(changes)) {
  test(`the message of a divergence: ${name}`, async () => {
    const log = record(await sandboxWith(before), turns);
    const failure = explain(await sandboxWith(after), log);
    assert.equal(failure?.code, 'DETERMINISM');
    assert.equal(failure.message, text);
    assert.deepEqual(
      Object.keys(failure).sort(),
      'stack' in failure ? ['code', 'message', 'stack'] : ['code', 'message'],
    );
  });
}

test('without a second replay the message has the event, the command and the remedy', async () => {
  const { before, after } = changes['another activity']!;
  const log = record(await sandboxWith(before), 2);
  const replay = new RunReplay((await sandboxWith(after)).createRun('run'));
  replay.take(log);
  const lines = replay.failure?.message.split('\n') ?? [];
  assert.deepEqual(
    lines.map((line) => line.split(/[ :]/, 2).join(' ')),
    ['Nondeterminism error', 'The code', 'What to'],
  );
  assert.deepEqual(Object.keys(replay.failure ?? {}), ['code', 'message']);
});

test('unchanged code follows its log, with or without explains', async () => {
  const sandbox = await sandboxWith(changes['a removed cancellation']!.before);
  assert.equal(explain(sandbox, record(sandbox, 2)), undefined);
});
