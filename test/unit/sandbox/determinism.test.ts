// Values that vary by machine and time outside the sandbox are the same in every replay (behaviors 29 to 31 of
// docs/behaviors.md).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { event, outcome, runOnce, sandboxOf, startAt, startRun } from './workflow-files.ts';

const workflows = `
import { sleep, uuid4 } from 'reprise/workflow';
const atLoad = [Math.random(), Date.now()];
export async function samples() {
  const values: unknown[] = [...atLoad, Math.random(), uuid4(), crypto.randomUUID(), Date.now(), new Date().toISOString(), Math.random()];
  await null;
  values.push(Math.random(), Date.now(), typeof Date(), new Date(5).getTime(), Date.UTC(2020, 0));
  await Promise.all([1, 2].map(async () => { await null; values.push(Math.random()); }));
  return values;
}
export async function timers() {
  const fired: string[] = [];
  const cleared = setTimeout(() => fired.push('cleared'), 5);
  setTimeout((text: string) => fired.push(text), 1000, 'b');
  setTimeout(() => fired.push('a'), 10);
  clearTimeout(cleared);
  await sleep(2000);
  return [...fired, Date.now()];
}
`;
const sandbox = await sandboxOf(workflows);

test('random values and times depend only on seed and turn', () => {
  const samples = runOnce(sandbox, 'samples') as unknown[];
  assert.deepEqual(runOnce(sandbox, 'samples'), samples);
  assert.equal(new Set(samples.filter((value) => typeof value === 'number' && value < 1)).size, 6);
  assert.ok(samples.includes('2026-01-02T03:04:05.000Z'));
  const other = runOnce(sandbox, 'samples', [], { seed: 'f'.repeat(32) }) as unknown[];
  assert.notDeepEqual(other[0], samples[0]);
  assert.deepEqual(other[1], samples[1]);
  const later = runOnce(sandbox, 'samples', [], { at: startAt + 5_000_000 }) as unknown[];
  assert.deepEqual([later[0], later[1]], [samples[0], Number(samples[1]) + 5000]);
});

test('another process computes the same', () => {
  const here = JSON.stringify(runOnce(sandbox, 'samples'));
  const source = `
    import { runOnce, sandboxOf } from ${JSON.stringify(new URL('workflow-files.ts', import.meta.url).href)};
    const sandbox = await sandboxOf(${JSON.stringify(workflows)});
    for (let i = 0; i < 3; i++) Math.random();
    console.log('result:' + JSON.stringify(runOnce(sandbox, 'samples')));`;
  const args = ['-C', 'reprise-source', '--input-type=module', '--eval', source];
  const env = { ...process.env, TZ: 'Pacific/Auckland' };
  const there = execFileSync(process.execPath, args, {
    encoding: 'utf8',
    env,
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  });
  assert.equal(/result:(.*)/.exec(there)?.[1], here);
});

test('setTimeout is a durable timer, and clearing it in the same activation leaves no trace', () => {
  const { run, result } = startRun(sandbox, 'timers');
  assert.deepEqual(outcome(result), ['TimerStarted', 'TimerStarted', 'TimerStarted']);
  const fire = (answers: number, ms: number) => {
    const at = startAt + ms * 1000;
    return outcome(
      run.activate({ at, inputs: [event(newEvent(answers + 3, 'TimerFired', { answers }), at)], nextSeq: answers + 4 }),
    );
  };
  assert.deepEqual([fire(3, 10), fire(2, 1000)], [[], []]);
  assert.deepEqual(fire(4, 2000), ['a', 'b', startAt / 1000 + 2000]);
});
