// Isolation of runs: values, rejections, logs during replay, reserved names and module state. Behaviors 18 (of log
// lines) and 59 to 64 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { it } from 'node:test';
import { pino } from 'pino';
import type { WorkflowHandle } from 'reprise/client';
import { fixtureWorker, until } from '../support/engine.ts';
import { behavior, taskFailureOf, typesOf, ways } from './ways.ts';

interface Line {
  readonly msg: string;
  readonly level: number;
  readonly runId?: string;
  readonly updateId?: string;
  readonly updateName?: string;
}
const lines: Line[] = [];
const sink = new Writable({
  write(chunk: Buffer, _encoding, done): void {
    for (const line of chunk.toString().split('\n')) if (line !== '') lines.push(JSON.parse(line) as Line);
    done();
  },
});
const all = await ways({ logger: pino({ level: 'debug' }, sink) });
const linesOf = ({ runId }: WorkflowHandle): Line[] => lines.filter((line) => line.runId === runId);

behavior(all, '59: values return unchanged: undefined, bytes, missing arguments', async (way) => {
  const values = [undefined, null, 'text', new Uint8Array([0, 1, 255]), { a: [1] }];
  const [count, ...back] = (await way.execute('passesOn', values)) as unknown[];
  assert.equal(count, values.length);
  assert.deepEqual(back.slice(0, 3), values.slice(0, 3));
  assert.deepEqual(Buffer.from(back[3] as Uint8Array), Buffer.from([0, 1, 255]));
  assert.deepEqual(back[4], { a: [1] });
  assert.deepEqual(await way.execute('missesArguments', ['one']), ['one', 'undefined']);
});

behavior(all, '60: an unhandled rejection fails the task', async (way) => {
  const handle = await way.start('rejectsUnheard');
  const { message } = await taskFailureOf(handle);
  assert.equal(message, 'Unhandled Promise rejection: nobody waits for this');
  assert.equal((await handle.describe()).status.name, 'RUNNING');
  await handle.terminate();
  await way.replays(handle);
});

behavior(all, '60: pending calls of a workflow are dropped when it completes', async (way) => {
  const handle = await way.start('firesAndForgets');
  assert.equal(await way.result(handle), 'done');
  const { taskFailure, pendingActivities } = await handle.describe();
  assert.deepEqual([taskFailure, pendingActivities], [undefined, []]);
});

behavior(
  all,
  '18, 61: each line is logged once, however often its code is replayed; queries and validators always log',
  async (way) => {
    const handle = await way.start('logsEverywhere');
    await until(async () => linesOf(handle).some(({ msg }) => msg === 'main 3'));
    await handle.query('asks');
    assert.equal(await handle.executeUpdate('put', { args: ['x'] as unknown as [], updateId: 'u-1' }), 'x');
    await handle.signal('go');
    await way.result(handle);
    await handle.query('asks');
    await until(async () => linesOf(handle).filter(({ msg }) => msg === 'query').length >= 2);
    const said = linesOf(handle).map(({ msg }) => msg);
    assert.deepEqual(
      // A query may be executed several times, although it is answered once.
      said.filter((line, i) => line !== 'query' || said[i - 1] !== 'query'),
      ['main 1', 'main 2', 'main 3', 'query', 'validator', 'update', 'signal', 'main 4', 'query'],
    );
    assert.deepEqual(
      linesOf(handle).flatMap(({ msg, updateId, updateName }) => (updateId ? [[msg, updateId, updateName]] : [])),
      [
        ['validator', 'u-1', 'put'],
        ['update', 'u-1', 'put'],
      ],
    );
  },
);

behavior(all, '62: reserved names are refused, and default handlers do not receive them', async (way) => {
  const handle = await way.start('usesReservedNames');
  await assert.rejects(handle.query('__temporal_x'), /did not register a handler for __temporal_x/);
  assert.equal(await handle.query('else'), 'default else');
  await handle.signal('__temporal_x').catch(() => undefined);
  await assert.rejects(handle.executeUpdate('__temporal_x', {}));
  await handle.signal('go');
  const prefixed = (kind: string): string =>
    `TypeError: Cannot use ${kind} name: '__temporal_x', with reserved prefix: '__temporal_'`;
  const reserved = (name: string): string => `TypeError: Cannot use query name: '${name}', which is a reserved name`;
  assert.deepEqual(await way.result(handle), [
    prefixed('query'),
    prefixed('signal'),
    prefixed('update'),
    reserved('__stack_trace'),
    reserved('__enhanced_stack_trace'),
    prefixed('activity'),
  ]);
});

it('62: a worker refuses reserved names of task queues and activities', async () => {
  const { connection } = all[0]!.engine;
  const refused = (kind: string) => ({
    name: 'TypeError',
    message: `Cannot use ${kind} name: '__temporal_x', with reserved prefix: '__temporal_'`,
  });
  await assert.rejects(fixtureWorker(connection, '__temporal_x'), refused('task queue'));
  const activities = { __temporal_x: async (): Promise<void> => undefined };
  await assert.rejects(fixtureWorker(connection, 'q', { activities }), refused('activity'));
});

behavior(all, '63: module state, globals and async contexts belong to one run across its activations', async (way) => {
  const names = ['a', 'b', 'c', 'd'];
  const results = await Promise.all(names.map((name) => way.execute('keepsToItself', [name])));
  for (const [index, name] of names.entries()) {
    assert.deepEqual(results[index], {
      ofModule: 2,
      stored: name,
      outside: 'none',
      leaked: name,
      frozen: 'Cannot add property a, object is not extensible',
    });
  }
});

for (const how of ['return', 'cancel', 'fail', 'continue']) {
  const warns = how !== 'fail';
  behavior(
    all,
    `64: the worker ${warns ? 'warns' : 'does not warn'} of handlers that still run when the workflow ends (${how})`,
    async (way) => {
      const handle = await way.start('leavesHandlers', [how]);
      const updates = [
        handle.startUpdate('put', { args: ['x'], waitForStage: 'ACCEPTED', updateId: 'u-1' }),
        handle.startUpdate('quiet', { waitForStage: 'ACCEPTED', updateId: 'u-2' }),
      ];
      await Promise.all(updates);
      await way.together(handle, [['go'], ['go']]);
      if (how === 'cancel') {
        await until(async () => (await typesOf(handle)).filter((type) => type === 'TimerStarted').length === 1);
        await handle.cancel();
      }
      await way.result(handle).catch(() => undefined);
      const said = (): string[] => linesOf(handle).flatMap(({ msg, level }) => (level === 40 ? [msg] : []));
      if (!warns) {
        assert.deepEqual(said(), []);
        return;
      }
      await until(async () => said().length === 2);
      const [update, signal] = said();
      assert.match(
        update!,
        /^\[TMPRL1102\] Workflow finished while an update handler was still running\. .*: \[\{"name":"put","id":"u-1"\}\]$/,
      );
      assert.match(
        signal!,
        /^\[TMPRL1102\] Workflow finished while a signal handler was still running\. .*: \[\{"name":"go","count":2\}\]$/,
      );
    },
  );
}
