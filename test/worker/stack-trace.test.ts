// The stack trace queries on a real engine. They show where open runs wait, whichever worker owns the run.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { cancelled } from 'reprise/activity';
import { defineUpdate, enhancedStackTraceQuery, stackTraceQuery } from 'reprise/workflow';
import { testEngine } from '../support/engine.ts';

const workflowsPath = new URL('../support/fixtures/waiting.ts', import.meta.url);
const activities = { never: () => cancelled() };
const cached = await testEngine({ workflowsPath, activities, showStackTraceSources: true });
const evicted = await testEngine({ workflowsPath, activities, maxCachedRuns: 0 });

const file = 'test/support/fixtures/waiting.ts';
const api = (call: string): string => `    at ${call} (reprise/workflow)`;
const at = (place: string): string => `    at ${place.replace('(', `(${file}:`)}`;

/** [workflow, what the test does to the run, the expected stack trace] */
const cases: [string, (handle: WorkflowHandle) => Promise<unknown>, string[][]][] = [
  ['sleeps', async () => undefined, [[api('sleep'), at('sleeps (7:9)')]]],
  ['waits', async () => undefined, [[api('condition'), at('waits (13:9)')]]],
  ['waits', (handle) => handle.signal('approve'), [[api('sleep'), at('nap (18:9)'), at('waits (14:9)')]]],
  ['calls', async () => undefined, [[api('activity'), at('calls (22:9)')]]],
  [
    'handles',
    async (handle) => {
      await handle.signal('nap');
      await handle.startUpdate(defineUpdate<void>('call'), { waitForStage: 'ACCEPTED' });
    },
    [
      [api('condition'), at('handles (32:9)')],
      [api('sleep'), at('nap (18:9)'), `    at ${file}:27:11`],
      [api('activity'), at('called (30:11)')],
    ],
  ],
  ['ends', (handle) => handle.result(), []],
];

for (const [kind, engine] of Object.entries({ cached, evicted })) {
  for (const [index, [workflow, act, stacks]] of cases.entries()) {
    test(`a stack trace names every wait (${kind}): ${workflow} ${index}`, async () => {
      const handle = await engine.start(workflow);
      await act(handle);
      const expected = stacks.map((frames) => frames.join('\n')).join('\n\n');
      let found = await handle.query(stackTraceQuery);
      // The run handles a message some time after it was sent, so the test repeats the query.
      for (let tries = 0; found !== expected && tries < 50; tries++) found = await handle.query(stackTraceQuery);
      assert.equal(found, expected);
      if (stacks.length > 0) await handle.terminate();
    });
  }
}

test('an enhanced stack trace has locations, and source code if the worker’s options allow it', async () => {
  const handle = await cached.start('waits');
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const stack = {
    locations: [
      { function_name: 'condition', internal_code: true },
      { file_path: file, function_name: 'waits', line: 13, column: 9, internal_code: false },
    ],
  };
  assert.deepEqual(await handle.query(enhancedStackTraceQuery), {
    sdk: { name: 'reprise', version },
    stacks: [stack],
    sources: { [file]: [{ line_offset: 0, content: await readFile(workflowsPath, 'utf8') }] },
  });
  const hidden = await (await evicted.start('waits')).query(enhancedStackTraceQuery);
  assert.deepEqual([hidden.stacks, hidden.sources], [[stack], {}]);
});

test('a stack trace query changes nothing, and its name can be given as text', async () => {
  const handle = await cached.start('waits');
  const [first, second] = await Promise.all([handle.query(stackTraceQuery), handle.query('__stack_trace')]);
  assert.equal(first, second);
  const { historyLength } = await handle.describe();
  assert.equal(historyLength, 2);
  await handle.signal('approve');
});

test('the error of an unknown query names the built-in queries first', async () => {
  const handle = await cached.start('waits');
  await assert.rejects(handle.query('other'), {
    name: 'QueryNotRegisteredError',
    message:
      'Workflow did not register a handler for other. Registered queries: [__stack_trace __enhanced_stack_trace __temporal_workflow_metadata]',
  });
});
