// Unhandled promise rejections of workflow code fail the task of their run (behavior 60 of docs/behaviors.md).
// Rejections of the host keep Node's behavior.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import type { ActiveRun } from '../../../runtime/sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../../../runtime/sandbox/realm/unhandled-rejections.ts';
import { event, sandboxOf, startAt, startRun } from './workflow-files.ts';

const workflows = `import { condition, defineQuery, defineSignal, setHandler, sleep } from 'reprise/workflow';
async function fails(text: string) { await null; throw new Error(text); }
export async function forgotten(text: string) { void fails(text); await sleep(1000); }
export async function completes(text: string) { void fails(text); return 'done'; }
export async function rejected() { void Promise.reject(new TypeError('at once')); await sleep(1000); }
export async function notAnError() { void Promise.reject('a string'); await sleep(1000); }
export async function derived() { void Promise.resolve().then(() => { throw new Error('derived'); }); await sleep(1000); }
export async function nasty() { void Promise.reject({ toString() { throw new Error('no text'); } }); await sleep(1000); }
export async function handledLater() { const p = Promise.reject(new Error('late')); await null; await null; try { await p; } catch { return 'caught'; } }
export async function handledByAll() { try { await Promise.all([fails('one'), fails('two')]); } catch (error) { return (error as Error).message; } }
export async function onSignal() { let go = false; setHandler(defineSignal<[]>('go'), () => { go = true; }); await condition(() => go); void fails('second turn'); await sleep(1000); }
export async function inQuery() { setHandler(defineQuery<number, []>('q'), () => { void fails('query'); return 1; }); await sleep(1000); }
export async function fine() { await sleep(1000); }
`;

const sandbox = await sandboxOf(workflows);

/** Messages of the rejections of runs that were activated in one tick; undefined where there is none. */
async function rejectionsOf(...runs: readonly [type: string, text?: string][]): Promise<(string | undefined)[]> {
  const started = runs.map(([type, text]) => startRun(sandbox, type, [text]).run);
  assert.ok(started.every((run) => run.rejection === undefined));
  await rejectionsKnown();
  return started.map((run) => run.rejection?.message);
}

test('an unhandled rejection fails the task', async () => {
  assert.deepEqual(await rejectionsOf(['forgotten', 'lost']), ['Unhandled Promise rejection: lost']);
  assert.deepEqual(await rejectionsOf(['rejected']), ['Unhandled Promise rejection: TypeError: at once']);
  assert.deepEqual(await rejectionsOf(['notAnError']), ['Unhandled Promise rejection: a string']);
  assert.deepEqual(await rejectionsOf(['derived']), ['Unhandled Promise rejection: derived']);
  assert.match((await rejectionsOf(['nasty']))[0]!, /^Unhandled Promise rejection: \[unreadable/);
});

test('an unhandled rejection fails the task even if the run completed in the same activation', async () => {
  assert.deepEqual(await rejectionsOf(['completes', 'late truth']), ['Unhandled Promise rejection: late truth']);
});

test('each rejection goes to its own run', async () => {
  const texts = await rejectionsOf(
    ['forgotten', 'a'],
    ['fine'],
    ['completes', 'b'],
    ['handledLater'],
    ['forgotten', 'c'],
  );
  const expected = ['a', undefined, 'b', undefined, 'c'];
  assert.deepEqual(
    texts,
    expected.map((text) => text && `Unhandled Promise rejection: ${text}`),
  );
});

test('a rejection that is handled within the activation does not count', async () => {
  assert.deepEqual(await rejectionsOf(['handledLater'], ['handledByAll']), [undefined, undefined]);
});

test('the stack names the source line', async () => {
  const { run } = startRun(sandbox, 'forgotten', ['x']);
  await rejectionsKnown();
  assert.match(run.rejection?.stack ?? '', /^Error: x\n\s+at fails \(workflows\.ts:2:56\)/);
  assert.equal(run.rejection?.code, 'WORKFLOW_ERROR');
});

function signalGo(run: ActiveRun): unknown {
  const signal = event(newEvent(2, 'SignalReceived', { name: 'go', payload: encodePayload([]) }));
  return run.activate({ at: startAt + 1, inputs: [signal], nextSeq: 3 });
}

test('a rejection in a later activation fails that activation', async () => {
  const { run } = startRun(sandbox, 'onSignal');
  await rejectionsKnown();
  const before = run.rejection;
  signalGo(run);
  await rejectionsKnown();
  assert.deepEqual([before, run.rejection?.message], [undefined, 'Unhandled Promise rejection: second turn']);
});

test('a rejection whose result was not awaited fails the next activation', async () => {
  const { run } = startRun(sandbox, 'forgotten', ['unseen']);
  await rejectionsKnown();
  const result = run.activate({ at: startAt + 1, inputs: [], nextSeq: 3 });
  assert.ok(!result.ok && result.failure.message === 'Unhandled Promise rejection: unseen');
});

test('a rejection that a query handler leaves behind does not affect the run', async () => {
  const { run } = startRun(sandbox, 'inQuery');
  const other = startRun(sandbox, 'fine').run;
  assert.ok(run.query('q', encodePayload([])).ok);
  other.activate({ at: startAt + 1, inputs: [], nextSeq: 3 });
  await rejectionsKnown();
  assert.deepEqual([run.rejection, other.rejection], [undefined, undefined]);
});

/** Runs a program with a sandbox. Returns its exit code and output. */
function program(code: string): Promise<{ exitCode: unknown; stdout: string; stderr: string }> {
  const root = new URL('../../../', import.meta.url);
  const source = `
    import { writeFileSync, mkdtempSync } from 'node:fs';
    import { bundleWorkflowCode } from '${new URL('runtime/sandbox/bundle/bundle.ts', root).href}';
    import { Sandbox } from '${new URL('runtime/sandbox/realm/sandbox.ts', root).href}';
    import { startRun } from '${new URL('test/unit/sandbox/workflow-files.ts', root).href}';
    const dir = mkdtempSync('/tmp/reprise-rejection-');
    writeFileSync(dir + '/w.ts', 'export async function bad() { void Promise.reject(new Error("of a workflow")); }');
    const emit = process.emit;
    const sandbox = Sandbox.create(await bundleWorkflowCode({ workflowsPath: dir + '/w.ts' }));
    ${code}`;
  return new Promise((resolve) => {
    const args = ['-C', 'reprise-source', '--input-type=module', '--eval', source];
    execFile(process.execPath, args, { cwd: fileURLToPath(root) }, (error, stdout, stderr) => {
      resolve({ exitCode: error?.code ?? 0, stdout, stderr });
    });
  });
}

test('a rejection of the host ends the process, as usual', async () => {
  const { exitCode, stderr } = await program(`
    process.on('uncaughtExceptionMonitor', (error, origin) => console.error('origin', origin));
    Promise.reject(new Error('of the host'));`);
  assert.equal(exitCode, 1);
  assert.match(stderr, /origin unhandledRejection/);
  assert.match(stderr, /Error: of the host/);
});

test("listeners of the host receive only the host's own rejections", async () => {
  const { exitCode, stdout } = await program(`
    process.on('unhandledRejection', (error) => console.log('heard:', error.message));
    startRun(sandbox, 'bad');
    Promise.reject(new Error('of the host'));
    setTimeout(() => { sandbox.dispose(); console.log(process.emit === emit); }, 10);`);
  assert.deepEqual([exitCode, stdout], [0, 'heard: of the host\ntrue\n']);
});
