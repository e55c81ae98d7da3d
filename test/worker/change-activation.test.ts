// patchActivationCallback decides whether runs already take the new code of a change. With runs cached, rebuilt from
// the log for every turn, and replayed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker, type PatchActivationInput, type WorkerOptions } from 'reprise/worker';
import { testEngine } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

let asked: PatchActivationInput[] = [];
let answer: unknown = true;

function patchActivationCallback(input: PatchActivationInput): boolean {
  asked.push(input);
  if (answer instanceof Error) throw answer;
  return answer as boolean;
}

const cached = await testEngine({ patchActivationCallback });
const evicted = await testEngine({ patchActivationCallback, maxCachedRuns: 0 });

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  const take = async (first: unknown): Promise<{ taken: unknown; markers: number; runId: string }> => {
    asked = [];
    answer = first;
    const handle = await engine.start('takesChange');
    await engine.until(async () => (await handle.history()).some(({ type }) => type === 'TimerStarted'));
    answer = true;
    await handle.signal('go');
    const taken = await handle.result();
    const markers = (await handle.history()).filter(({ type }) => type === 'VersionMarked').length;
    await assertReplays(engine.connection.database, handle.runId!);
    return { taken, markers, runId: handle.runId! };
  };

  describe(`a change in a run that is ${way}`, () => {
    it('is taken when the callback returns true, and the callback is called once', async () => {
      const { taken, markers, runId } = await take(true);
      assert.deepEqual([taken, markers, asked.length], [['new', 'new', 'new'], 1, 1]);
      const [{ patchId, workflowInfo }] = asked as [PatchActivationInput];
      assert.deepEqual([patchId, workflowInfo.runId], ['change', runId]);
    });

    it('is not taken and leaves no marker while the callback returns false', async () => {
      const { taken, markers } = await take(false);
      // A run that has not taken the change calls the callback again after it was rebuilt from the log.
      const expected = way === 'cached' ? [['old', 'old', 'old'], 0, 1] : [['old', 'old', 'new'], 1, 2];
      assert.deepEqual([taken, markers, asked.length], expected);
    });

    it('fails the task while the callback throws or returns no boolean', async () => {
      for (const [wrong, message] of [
        [new RangeError('no list'), 'RangeError: no list'],
        ['yes', "TypeError: patchActivationCallback must return true or false, got string for 'change'"],
      ] as const) {
        answer = wrong;
        const handle = await engine.start('takesChange');
        const failure = await engine.until(async () => (await handle.describe()).taskFailure);
        assert.equal(failure.message, message);
        answer = true;
        await handle.signal('go');
        assert.deepEqual(await handle.result(), ['new', 'new', 'new']);
      }
    });
  });
}

it('queries and descriptions know which changes a run has taken', async () => {
  const { client, taskQueue, until } = cached;
  answer = true;
  const started = { taskQueue, args: [] };
  const taken = await client.workflow.start('takesChange', { ...started, workflowId: 'taken' });
  answer = true;
  await until(async () => (await taken.history()).some(({ type }) => type === 'TimerStarted'));
  answer = false;
  const kept = await client.workflow.start('takesChange', { ...started, workflowId: 'kept' });
  await until(async () => (await kept.history()).some(({ type }) => type === 'TimerStarted'));
  const open = "WorkflowId IN ('taken', 'kept') AND";
  for (const [query, expected] of [
    ["TemporalChangeVersion = 'change'", ['taken']],
    ["TemporalChangeVersion != 'change'", []],
    ["TemporalChangeVersion != 'other'", ['taken']],
    ["TemporalChangeVersion IN ('other', 'change')", ['taken']],
    ["TemporalChangeVersion NOT IN ('other')", ['taken']],
    ["TemporalChangeVersion STARTS_WITH 'ch'", ['taken']],
    ['TemporalChangeVersion IS NULL', ['kept']],
    ['TemporalChangeVersion IS NOT NULL', ['taken']],
  ] as const) {
    const found: string[] = [];
    for await (const run of client.workflow.list({ query: `${open} ${query}` })) found.push(run.workflowId);
    assert.deepEqual(found, expected, query);
  }
  const { searchAttributes, typedSearchAttributes } = await taken.describe();
  assert.deepEqual(searchAttributes, { TemporalChangeVersion: ['change'] });
  assert.deepEqual(typedSearchAttributes.getAll()[0]?.value, ['change']);
  assert.deepEqual((await kept.describe()).searchAttributes, {});
  for (const handle of [taken, kept]) await handle.terminate();
});

it('a callback that is not a function is refused', async () => {
  const { connection } = cached;
  const options = { connection, taskQueue: 'q', activities: { a: async () => 1 }, patchActivationCallback: true };
  await assert.rejects(Worker.create(options as unknown as WorkerOptions), {
    code: 'INVALID_INPUT',
    message: 'Worker option patchActivationCallback is true, expected a function.',
  });
});
