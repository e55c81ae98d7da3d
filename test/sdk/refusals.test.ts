import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Client, type ClientOptions, Connection, type WorkflowStartOptions } from 'reprise/client';
import { Worker, type WorkerOptions } from 'reprise/worker';
import { testDatabase } from '../support/database.ts';

const database = await testDatabase();
const connectionString = database.url;
const connection = await Connection.connect({ connectionString });
const { workflow } = new Client({ connection });
const place = { workflowId: 'w', taskQueue: 'q' };

function refused(message: RegExp): { code: string; message: RegExp } {
  return { code: 'INVALID_INPUT', message };
}

test('arguments are checked against the workflow’s type', () => {
  async function repair(_pages: number, _name: string): Promise<void> {}
  async function bare(): Promise<void> {}
  async function optional(_pages?: number): Promise<void> {}
  const calls: (() => Promise<unknown>)[] = [
    () => workflow.start(repair, { ...place, args: [1, 'x'] }),
    () => workflow.start<typeof repair>('repair', { ...place, args: [1, 'x'] }),
    () => workflow.execute('repair', { ...place, args: ['anything'] }),
    () => workflow.start('repair', place),
    () => workflow.start(bare, place),
    () => workflow.start(optional, place),
    // @ts-expect-error a wrong type
    () => workflow.start(repair, { ...place, args: ['1', 'x'] }),
    // @ts-expect-error one argument is missing
    () => workflow.start<typeof repair>('repair', { ...place, args: [1] }),
    // @ts-expect-error all arguments are missing
    () => workflow.execute(repair, place),
    // @ts-expect-error there are no parameters
    () => workflow.start(bare, { ...place, args: [1] }),
    // @ts-expect-error a wrong type
    () => workflow.start(optional, { ...place, args: ['1'] }),
  ];
  assert.equal(calls.length, 11);
});

test('args that are not an array are refused', async () => {
  for (const args of ['x', { 0: 'x' }, null, 5]) {
    const options = { ...place, args } as unknown as WorkflowStartOptions;
    await assert.rejects(
      workflow.start('w', options),
      refused(/args is .*, expected the list of arguments, such as args: \[argument\]/),
    );
  }
});

test('a workflow without a name is refused', async () => {
  await assert.rejects(
    workflow.start(async () => undefined, place),
    refused(
      /^workflow\.start: the workflow function has no name\. Pass the function that the workflows file exports, or/,
    ),
  );
  await assert.rejects(
    workflow.start(null as unknown as string, place),
    refused(/^The workflow type must be text .*, got null/),
  );
});

test('a transaction without a query method is refused', async () => {
  for (const transaction of [5, null, {}, 'x']) {
    const options = { ...place, transaction } as unknown as WorkflowStartOptions;
    await assert.rejects(workflow.start('w', options), refused(/transaction must be/));
  }
});

test('invalid deadlines and abort signals are refused', async () => {
  const client = new Client({ connection });
  const called = async (): Promise<never> => assert.fail('it was called');
  for (const deadline of [Number.NaN, new Date(Number.NaN), 'soon', '5', undefined, null, {}]) {
    await assert.rejects(client.withDeadline(deadline as Date, called), refused(/^withDeadline was given .*a Date/));
  }
  for (const signal of [null, undefined, 'x', {}, { aborted: false }, new AbortController()]) {
    const abortable = client.withAbortSignal(signal as AbortSignal, called);
    await assert.rejects(abortable, refused(/^withAbortSignal was given .*expected an AbortSignal/s));
  }
  assert.equal(await client.withDeadline(Number.POSITIVE_INFINITY, async () => 1), 1);
  assert.equal(await client.withAbortSignal(AbortSignal.abort(), async () => 2), 2);
});

test('an unknown option is refused by name', async () => {
  const connectTo = { connectionString, shema: 'x' } as object;
  await assert.rejects(Connection.connect(connectTo), refused(/"shema". Did you mean schema\?/));
  const start = { ...place, elephants: 1 } as WorkflowStartOptions;
  await assert.rejects(workflow.start('w', start), refused(/"elephants". Known options: workflowId, taskQueue/));
  const eager = { ...place, requestEagerStart: true } as WorkflowStartOptions;
  await assert.rejects(workflow.execute('w', eager), refused(/requestEagerStart is not supported yet/));
  const worker = { connection, taskQueue: 'q', activites: {} } as WorkerOptions;
  await assert.rejects(Worker.create(worker), refused(/Did you mean activities\?/));
  const sinks = { connection, taskQueue: 'q', sinks: {} } as WorkerOptions;
  await assert.rejects(Worker.create(sinks), refused(/sinks is not supported yet/));
  assert.throws(() => new Client({ connection, nmespace: 'x' } as ClientOptions), refused(/namespace\?/));
});

test('an option of Temporal that has no meaning here is refused by name', async () => {
  for (const option of ['reuseV8Context', 'maxConcurrentWorkflowTaskPolls', 'workflowTaskPollerBehavior']) {
    const worker = { connection, taskQueue: 'q', [option]: 1 } as WorkerOptions;
    await assert.rejects(Worker.create(worker), refused(new RegExp(`${option} has no meaning here\\. Leave it out`)));
  }
});

test('an invalid option of a worker is described in plain words', async () => {
  const bad: readonly [object, string][] = [
    [{ taskQueue: undefined }, 'taskQueue is missing, expected text of 1 to 1000 characters.'],
    [{ taskQueue: '' }, 'taskQueue is the text "", expected text of 1 to 1000 characters.'],
    [{ maxCachedRuns: -1 }, 'maxCachedRuns is -1, expected a whole number of 0 or more.'],
    [{ maxCachedWorkflows: 1.5 }, 'maxCachedWorkflows is 1.5, expected a whole number of 0 or more.'],
    [
      { maxConcurrentActivityTaskExecutions: 0 },
      'maxConcurrentActivityTaskExecutions is 0, expected a whole number of 1 or more.',
    ],
    [{ maxActivitiesPerSecond: 0 }, 'maxActivitiesPerSecond is 0, expected a number above 0.'],
    [{ enableNonLocalActivities: 'no' }, 'enableNonLocalActivities is the text "no", expected true or false.'],
    [{ workflowFailureErrorTypes: { '*': 'E' } }, 'workflowFailureErrorTypes.* is the text "E", expected a list.'],
    ...[{}, { ...console, child: 1 }, { warn: () => undefined }].map((logger): [object, string] => [
      { logger },
      'logger is an object, expected a pino logger, or an object with its functions trace, debug, info, warn, error, child.',
    ]),
  ];
  for (const [given, message] of bad) {
    const options = { connection, taskQueue: 'q', activities: { a: () => 1 }, ...given } as WorkerOptions;
    await assert.rejects(Worker.create(options), { code: 'INVALID_INPUT', message: `Worker option ${message}` });
  }
  const nonsense = { connection, taskQueue: 'q', elephants: 1 } as WorkerOptions;
  await assert.rejects(Worker.create(nonsense), (error: Error) => {
    assert.match(error.message, /has no option "elephants". Known options: connection, .*, logger\.$/);
    return true;
  });
});

test('options of Temporal’s connection are accepted with a warning that they are ignored', async () => {
  const temporal = { address: 'x:7233', tls: true, apiKey: 'k', metadata: {}, connectTimeout: '1s' };
  const warned = once(process, 'warning') as Promise<[Error]>;
  await (await Connection.connect({ connectionString, ...temporal })).close();
  const [{ message }] = await warned;
  const { hostname } = new URL(connectionString);
  assert.match(message, /ignores Temporal's address, tls, apiKey, metadata, connectTimeout: it is connected to /);
  assert.ok(message.includes(hostname) && !message.includes('x:7233'), message);
});

test('activities that are not an object of functions are refused', async () => {
  for (const activities of [[], 5, 'x', { greet: 5 }, () => 1]) {
    const options = { connection, taskQueue: 'q', activities } as WorkerOptions;
    await assert.rejects(Worker.create(options), refused(/activities must be/));
  }
});

test('a missing connection, or a promise of one, is refused', async () => {
  const unawaited = { connection: Promise.resolve(connection), taskQueue: 'q' } as unknown;
  await assert.rejects(Worker.create(unawaited as WorkerOptions), refused(/promise of a connection: await it/));
  assert.throws(() => new Client({ connection: Promise.resolve() } as unknown as ClientOptions), refused(/await it/));
  assert.throws(() => new Client({} as ClientOptions), refused(/needs a connection/));
  assert.throws(() => Reflect.construct(Client, []), refused(/needs an object of options/));
});

test('calls reject with DATABASE_UNREACHABLE when the database is gone, and with ILLEGAL_STATE after close', async () => {
  const lost = await testDatabase();
  const own = await Connection.connect({ connectionString: lost.url });
  const client = new Client({ connection: own });
  const handle = await client.workflow.start('w', place);
  await lost.drop();
  const calls = [
    () => client.workflow.start('w', place),
    () => handle.signal('s'),
    () => handle.describe(),
    () => handle.result(),
    () => handle.query('q'),
    () => handle.terminate(),
    () => handle.history(),
    () => client.workflow.list()[Symbol.asyncIterator]().next(),
  ];
  for (const call of calls) await assert.rejects(call(), { name: 'RuntimeError', code: 'DATABASE_UNREACHABLE' });
  await own.close();
  await own.close();
  for (const call of calls) await assert.rejects(call(), { name: 'IllegalStateError', code: 'ILLEGAL_STATE' });
});

test('an error about the database’s URL names where the URL came from', async (t) => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'reprise-address-')));
  const before = process.cwd();
  process.chdir(folder);
  t.after(async () => {
    process.chdir(before);
    delete process.env['REPRISE_DATABASE_URL'];
    delete process.env['DATABASE_URL'];
    await rm(folder, { recursive: true });
  });
  process.env['REPRISE_DATABASE_URL'] = '';
  process.env['DATABASE_URL'] = 'garbage';
  await assert.rejects(Connection.connect(), refused(/variable DATABASE_URL is not a Postgres URL/));
  process.env['DATABASE_URL'] = '';
  const unreachable = (message: RegExp): object => ({ code: 'DATABASE_UNREACHABLE', message });
  await assert.rejects(Connection.connect(), unreachable(/No database was named.*startPostgres\(\)/));
  await mkdir('.reprise');
  await writeFile('.reprise/connection.json', '{"url":"postgres://127.0.0.1:1/none"}');
  await assert.rejects(Connection.connect(), unreachable(/is stopped. Start it with startPostgres\(\{ folder:/));
  await writeFile('.reprise/connection.json', '{');
  await assert.rejects(Connection.connect(), refused(/connection.json cannot be read/));
});

test('reads of the context refuse options that they do not know', async () => {
  const handle = await workflow.start('unknown', { ...place, workflowId: 'context' });
  const point: object = { sq: 3 };
  const filter: object = { pth: '/n' };
  await assert.rejects(handle.stateAt(point), refused(/stateAt has no option "sq". Did you mean seq/));
  await assert.rejects(handle.patches(filter), refused(/patches has no option "pth". Did you mean path/));
});

after(() => connection.close());
