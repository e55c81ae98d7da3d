// Runs that engine 1 started. Their logs hold less than update() changed, or hold the same change as other operations.
// Replay follows the log, so later updates change the document that the log gives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';
import { event, sandboxOf, seedOne, startAt } from './workflow-files.ts';

const sandbox = await sandboxOf(`import { condition, defineContext, defineQuery, setHandler } from 'reprise/workflow';
interface Doc { n: number; m: Record<string, { f?: number }>; list: number[] }
const shape = { safeParse: (doc: Doc) => ({ success: doc.n < 5, error: 'n is too large' }) };
const context = defineContext<Doc>({ n: 0, m: {}, list: [] }, { schema: shape });
export async function order() {
  setHandler(defineQuery('state'), () => context.state);
  context.update((draft) => { (draft.m.k ??= {}).f = 1; });
  context.update((draft) => { draft.n = 1; });
  context.update((draft) => { draft.n = 9; draft.n = 1; });
  context.update(() => undefined);
  try {
    context.update((draft) => { draft.n = 7; });
  } catch (error) {
    context.update((draft) => draft.list.push(context.state.n) as never);
  }
  await condition(() => false);
}
export async function first() {
  setHandler(defineQuery('state'), () => context.state);
  context.update((draft) => { (draft.m.k ??= {}).f = 1; });
  await condition(() => false);
}`);

const initial = { n: 0, m: {}, list: [] };
const recordedByOne = [
  [{ op: 'add', path: '', value: initial }],
  [{ op: 'add', path: '/m/k', value: {} }],
  [{ op: 'replace', path: '/n', value: 1, prev: 0 }],
  [
    { op: 'replace', path: '/n', value: 9, prev: 1 },
    { op: 'replace', path: '/n', value: 1, prev: 9 },
  ],
  [{ op: 'add', path: '/list/-', value: 1 }],
];

function replay(type: string, engine: number, patches: readonly (readonly object[])[]): unknown {
  const run = sandbox.createRun('run');
  const meta = JSON.stringify({ workflowId: 'w', taskQueue: 'q', namespace: 'default', seed: seedOne, engine });
  const started = newEvent(1, 'WorkflowStarted', { name: type, payload: encodePayload([]), meta });
  const recorded = patches.map((ops, index) =>
    event(newEvent(index + 2, 'ContextPatched', { ops: JSON.stringify(ops), source: 'system', sourceId: type })),
  );
  const result = run.activate({ at: startAt, inputs: [event(started)], nextSeq: 2, recorded });
  if (!result.ok) return result.failure.code;
  const state = run.query('state', encodePayload([]));
  assert.ok(state.ok);
  return decodePayload(state.payload);
}

test('a run of engine 1 replays to its original document', () => {
  assert.deepEqual(replay('order', 1, recordedByOne), { n: 1, m: { k: {} }, list: [1] });
});

test('a run of this engine must match the recorded updates', () => {
  const ofOne = recordedByOne.slice(0, 2);
  const ofTwo = [recordedByOne[0]!, [{ op: 'add', path: '/m/k', value: { f: 1 } }]];
  assert.deepEqual(replay('first', 1, ofOne), { ...initial, m: { k: {} } });
  assert.equal(replay('first', 2, ofOne), 'DETERMINISM');
  assert.deepEqual(replay('first', 2, ofTwo), { ...initial, m: { k: { f: 1 } } });
});
