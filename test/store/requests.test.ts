// Query requests: they are offered to workers that may answer, are answered once, and are deleted. Each answer is taken
// once.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import {
  answer,
  ask,
  expireRequests,
  openRequests,
  type QueryRequest,
  takeAnswer,
  withdraw,
} from '../../runtime/store/messages/requests.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { closingTurn, incarnation, startedRun, testStore } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

function request(runId: string, queue: string): QueryRequest {
  return { id: randomUUID(), runId, queue, name: 'progress', args: new Uint8Array([0x91, 1]), timeoutMs: 60_000 };
}

async function offered(queue: string, epoch: number): Promise<string[]> {
  return (await openRequests(database, epoch, { queues: [queue], open: [queue] })).map(({ id }) => id);
}

test('a worker gets the whole request, with the state of its run’s mail', async () => {
  const asked = request(await startedRun(store, { queue: 'q/whole' }), 'q/whole');
  await ask(database, asked);
  const found = { ...asked, args: Buffer.from(asked.args), timeoutMs: 0 };
  const open = () => openRequests(database, 1, { queues: ['q/whole'], open: ['q/whole'] });
  assert.deepEqual(await open(), [{ ...found, mailSent: 0, mailUnread: undefined }]);
  for (let i = 0; i < 2; i++)
    await send(database.pool, database.schema, asked.runId, { type: 'SignalReceived', name: 'x' });
  assert.deepEqual(await open(), [{ ...found, mailSent: 2, mailUnread: 1 }]);
});

test('a request goes to the owner of its run, or to any worker if the run has no owner', async (t) => {
  const [owner, other] = [await incarnation(store, t), await incarnation(store, t)];
  const queue = 'q/owned';
  const [owned, free, closed] = [
    await startedRun(store, { owner, queue }),
    await startedRun(store, { queue }),
    await startedRun(store, { owner, queue }),
  ];
  await owner.writer.append([closingTurn(closed, 0)]);
  const requests = [owned, free, closed].map((runId) => request(runId, queue));
  for (const each of requests) await ask(database, each);
  const [toOwned, ...toOthers] = requests.map(({ id }) => id);
  assert.deepEqual((await offered(queue, owner.epoch)).toSorted(), [toOwned, ...toOthers].toSorted());
  assert.deepEqual((await offered(queue, other.epoch)).toSorted(), toOthers.toSorted());
  assert.deepEqual(await offered('q/another', owner.epoch), []);
});

test('an answer is taken once', async () => {
  const asked = request(await startedRun(store, { queue: 'q/once' }), 'q/once');
  await ask(database, asked);
  assert.equal(await takeAnswer(database, asked.id), undefined);
  await answer(database, asked.id, { payload: new Uint8Array([7]), problem: undefined });
  assert.deepEqual(await offered('q/once', 1), []);
  assert.deepEqual(await takeAnswer(database, asked.id), { payload: Buffer.from([7]), problem: undefined });
  assert.equal(await takeAnswer(database, asked.id), undefined);
});

test('the first answer counts', async () => {
  const asked = request(await startedRun(store, { queue: 'q/first' }), 'q/first');
  await ask(database, asked);
  await answer(database, asked.id, { payload: new Uint8Array([1]), problem: 'not_registered' });
  await answer(database, asked.id, { payload: new Uint8Array([2]), problem: undefined });
  assert.deepEqual(await takeAnswer(database, asked.id), { payload: Buffer.from([1]), problem: 'not_registered' });
});

test('a withdrawn request is neither offered nor answered', async () => {
  const asked = request(await startedRun(store, { queue: 'q/withdrawn' }), 'q/withdrawn');
  await ask(database, asked);
  await withdraw(database, asked.id);
  await answer(database, asked.id, { payload: new Uint8Array([1]), problem: undefined });
  assert.deepEqual([await offered('q/withdrawn', 1), await takeAnswer(database, asked.id)], [[], undefined]);
});

test('an expired request is no longer offered, and is deleted later', async () => {
  const asked = async (): Promise<QueryRequest> => request(await startedRun(store, { queue: 'q/over' }), 'q/over');
  const [over, long] = [await asked(), await asked()];
  for (const each of [over, long]) await ask(database, each);
  const expire = (id: string, ago: string) =>
    pool.query('update reprise.requests set expires_at = now() - $2::interval where id = $1', [id, ago]);
  await expire(over.id, '1 second');
  assert.deepEqual(await offered('q/over', 1), [long.id]);
  const left = async () =>
    (await pool.query<{ id: string }>("select id from reprise.requests where queue = 'q/over'")).rows.length;
  await expireRequests(database);
  assert.equal(await left(), 2);
  await expire(over.id, '2 minutes');
  await expireRequests(database);
  assert.equal(await left(), 1);
});
