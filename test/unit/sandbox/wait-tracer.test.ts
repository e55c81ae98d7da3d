// Finds the awaits at which a run waits, by the lines of its source.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { waitText } from '../../../runtime/sandbox/stacks/wait-tracer.ts';
import { event, sandboxOf, startAt, startRun } from './workflow-files.ts';

const workflows = `import { condition, defineSignal, forEach, proxyActivities, setHandler, sleep, Trigger } from 'reprise/workflow';
import { settled } from './lib/settled.ts';
const { ship } = proxyActivities<{ ship(n: number): Promise<void> }>({ startToCloseTimeout: '1m' });
const go = defineSignal('go');

export async function nested() {
  await inner();
}
async function inner() {
  await Promise.resolve();
  await condition(() => false);
}
export async function oneLine() {
  await Promise.race([sleep(1000), condition(() => false, '1 day'), ship(1)]);
}
export async function manyLines() {
  const losing = sleep('1 day');
  await Promise.all([
    ship(1),
    ship(2),
  ]);
  await losing;
}
export async function handed() { return sleep(1000); }
export function plain() { return ship(1).then(() => 1); }
export async function own() {
  await new Promise<void>((resolve) => setHandler(go, resolve));
}
export async function trigger() {
  const trigger = new Trigger<void>();
  await trigger;
}
export async function handler() {
  setHandler(go, async () => {
    await sleep('1 day');
  });
  await condition(() => false);
}
export async function items() {
  await forEach([1, 2, 3], async function each(n) {
    await ship(n);
  });
}
export async function library() {
  await settled(sleep(1));
}
export async function fired() {
  await sleep(1000);
  await sleep(2000);
}
export async function ended() { void sleep(1); }
export async function done() {}
`;
const lib = `export async function settled(promise: Promise<void>) {
  await promise.catch(() => undefined);
}
`;
const sandbox = await sandboxOf({ 'src/workflows.ts': workflows, 'src/lib/settled.ts': lib });

const signal = event(newEvent(2, 'SignalReceived', { name: 'go', payload: encodePayload([]) }));

/**
 * [workflow, frames of each wait: the called function, then function and line]. Columns are omitted, except for one
 * workflow.
 */
const waits: [string, string[][]][] = [
  ['nested', [['condition', 'inner src/workflows.ts:11', 'async nested src/workflows.ts:7']]],
  [
    'oneLine',
    [
      ['sleep', 'oneLine src/workflows.ts:14'],
      ['condition', 'oneLine src/workflows.ts:14'],
      ['activity', 'oneLine src/workflows.ts:14'],
      ['oneLine src/workflows.ts:14'],
    ],
  ],
  [
    'manyLines',
    [
      ['sleep', 'manyLines src/workflows.ts:17'],
      ['activity', 'manyLines src/workflows.ts:19'],
      ['activity', 'manyLines src/workflows.ts:20'],
      ['manyLines src/workflows.ts:18'],
    ],
  ],
  ['handed', [['sleep', 'handed src/workflows.ts:24']]],
  ['plain', [['activity', 'plain src/workflows.ts:25']]],
  ['own', [['own src/workflows.ts:27']]],
  ['trigger', [['trigger src/workflows.ts:31']]],
  [
    'handler',
    [
      ['condition', 'handler src/workflows.ts:37'],
      ['sleep', 'src/workflows.ts:35'],
    ],
  ],
  [
    'items',
    [
      ['activity', 'each src/workflows.ts:41', 'items src/workflows.ts:40'],
      ['forEach', 'items src/workflows.ts:40'],
    ],
  ],
  ['library', [['settled src/lib/settled.ts:2', 'library src/workflows.ts:45']]],
  ['ended', [['sleep', 'ended src/workflows.ts:51']]],
  ['done', []],
];

for (const [type, expected] of waits) {
  test(`the tracer reports the waits of a run by line: ${type}`, () => {
    const tracer = sandbox.traceWaits();
    try {
      const { run } = startRun(sandbox, type);
      if (type === 'handler') run.activate({ at: startAt + 1, inputs: [signal], nextSeq: 3 });
      const found = tracer
        .waits()
        .map(({ call, frames }) => [
          ...(call === undefined ? [] : [call]),
          ...frames.map(({ isAsync, functionName, file, line }) =>
            [isAsync ? 'async' : '', functionName ?? '', `${file}:${line}`].filter((part) => part !== '').join(' '),
          ),
        ]);
      assert.deepEqual(found, expected);
    } finally {
      tracer.stop();
    }
  });
}

test('a settled promise is no longer reported', () => {
  const tracer = sandbox.traceWaits();
  const { run } = startRun(sandbox, 'fired');
  const lines = (): number[] => tracer.waits().map(({ frames }) => frames[0]!.line);
  assert.deepEqual(lines(), [48]);
  run.activate({ at: startAt + 1, inputs: [event(newEvent(3, 'TimerFired', { answers: 2 }))], nextSeq: 4 });
  assert.deepEqual(lines(), [49]);
  tracer.stop();
});

test('the text of a wait lists its frames', () => {
  const tracer = sandbox.traceWaits();
  startRun(sandbox, 'nested');
  tracer.stop();
  assert.equal(
    tracer.waits().map(waitText).join('\n\n'),
    '    at condition (reprise/workflow)\n    at inner (src/workflows.ts:11:9)\n    at async nested (src/workflows.ts:7:3)',
  );
});
