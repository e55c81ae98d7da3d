// patched and deprecatePatch: one marker per id and run, and the branch that a replay takes. Behavior 57 of
// docs/behaviors.md.
import assert from 'node:assert/strict';
import { defineQuery, deprecatePatch, patched, proxyActivities, setHandler, sleep } from '../../../sdk/workflow.ts';
import { completed, type Exports, fired, texts, workflowTest } from './harness.ts';

const act = proxyActivities<Record<'old' | 'new' | 'next', () => Promise<string>>>({ startToCloseTimeout: 1000 });

const before = (): Exports => ({
  async workflow(): Promise<string> {
    const first = await act.old();
    await sleep(10);
    return first + (await act.next());
  },
});
const gated = (): Exports => ({
  async workflow(): Promise<string> {
    const first = patched('v2') ? await act.new() : await act.old();
    await sleep(10);
    return first + (await act.next());
  },
});
const deprecated = (): Exports => ({
  async workflow(): Promise<string> {
    deprecatePatch('v2');
    const first = await act.new();
    await sleep(10);
    return first + (await act.next());
  },
});
const after = (): Exports => ({
  async workflow(): Promise<string> {
    const first = await act.new();
    await sleep(10);
    return first + (await act.next());
  },
});

workflowTest(
  'a run that reaches a change for the first time takes it and records one marker',
  gated,
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), ['VersionMarked', 'ActivityScheduled new#1']);
    const [timer] = await driver.turn(completed(3, 'a'));
    const [next] = await driver.turn(fired(timer!.seq));
    assert.deepEqual(texts(await driver.turn(completed(next!.seq, 'b'))), ['WorkflowCompleted "ab"']);
    assert.ok((await driver.replay(deprecated)).ok, 'code that has deprecated the change follows');
    const removed = await driver.replay(after);
    assert.ok(!removed.ok, 'code without it does not: some run may have taken the old code');
    assert.match(removed.failure.message, /VersionMarked 'v2'/);
  },
);

workflowTest('a run that passed the place before the change keeps the old code', before, async (driver) => {
  await driver.start();
  const [timer] = await driver.turn(completed(2, 'a'));
  await driver.turn(fired(timer!.seq));
  assert.ok((await driver.replay(gated)).ok);
  assert.ok(!(await driver.replay(after)).ok);
});

workflowTest(
  'code with deprecatePatch, and code without it, can replay a deprecated marker',
  deprecated,
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), ['VersionMarked', 'ActivityScheduled new#1']);
    const [timer] = await driver.turn(completed(3, 'a'));
    await driver.turn(fired(timer!.seq));
    for (const code of [gated, after]) {
      const result = await driver.replay(code);
      assert.ok(result.ok, result.ok ? '' : result.failure.message);
    }
  },
);

workflowTest('code with deprecatePatch can replay histories without the marker', after, async (driver) => {
  await driver.start();
  const [timer] = await driver.turn(completed(2, 'a'));
  await driver.turn(fired(timer!.seq));
  assert.ok((await driver.replay(deprecated)).ok);
});

const looping = (): Exports => ({
  async workflow(): Promise<boolean[]> {
    const taken: boolean[] = [];
    for (let i = 0; i < 3; i++) {
      taken.push(patched('loop'));
      await sleep(10);
    }
    return taken;
  },
});
const loopingBefore = (): Exports => ({
  async workflow(): Promise<boolean[]> {
    for (let i = 0; i < 3; i++) await sleep(10);
    return [];
  },
});

workflowTest('a decision holds for the rest of the run', looping, async (driver) => {
  let [timer] = (await driver.start()).slice(1);
  for (let i = 0; i < 2; i++) [timer] = await driver.turn(fired(timer!.seq));
  assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), ['WorkflowCompleted [true,true,true]']);
});

workflowTest(
  'a negative answer is not cached: it is asked again when the run goes on',
  loopingBefore,
  async (driver) => {
    const [timer] = await driver.start();
    const [second] = await driver.turn(fired(timer!.seq));
    const changed = await driver.continued(looping);
    const [marker, third] = await changed.turn(fired(second!.seq));
    assert.equal(marker?.type, 'VersionMarked');
    assert.deepEqual(texts(await changed.turn(fired(third!.seq))), ['WorkflowCompleted [false,false,true]']);
    assert.ok((await changed.replay(looping)).ok);
  },
);

workflowTest(
  'a query sees decisions and makes none',
  () => ({
    async workflow(): Promise<void> {
      setHandler(defineQuery<boolean>('taken'), () => patched('q'));
      setHandler(defineQuery<boolean>('known'), () => patched('k'));
      patched('k');
      await sleep(1);
    },
  }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), ['VersionMarked', 'TimerStarted']);
    assert.deepEqual([driver.query('taken'), driver.query('known')], [false, true]);
  },
);

workflowTest(
  'an invalid change id and a call at module level are rejected',
  () => {
    let atModuleLevel = '';
    try {
      patched('early');
    } catch (error) {
      atModuleLevel = (error as Error).message;
    }
    return {
      async workflow(): Promise<string[]> {
        const seen = [atModuleLevel];
        for (const id of ['', 5 as unknown as string]) {
          try {
            patched(id);
          } catch (error) {
            seen.push((error as Error).message);
          }
        }
        return seen;
      },
    };
  },
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), [
      'WorkflowCompleted ["Patches cannot be used before Workflow starts","patched needs the id of the change, got no text","patched needs the id of the change, got number"]',
    ]);
  },
);
