// Notices: coalesced, within the limits of NOTIFY whatever the names are, and never a failure of who sends them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Database } from '../../runtime/store/sql/database.ts';
import { channelName, splitPayload } from '../../runtime/store/sql/notifier.ts';
import { newRunId } from '../../runtime/store/runs/run-id.ts';
import { type Scope, testStore } from '../support/store.ts';

const store = await testStore();
const { database } = store;

interface Notice {
  channel: string;
  items: string[];
}

/** Collects the notices of the given topics; `until` resolves with all of them once the last one sent has arrived. */
async function listener(t: Scope, ...topics: string[]): Promise<{ until(last: string): Promise<Notice[]> }> {
  const session = await store.session(t);
  const notices: Notice[] = [];
  let check = (): void => undefined;
  session.on('notification', ({ channel, payload }) => {
    notices.push({ channel, items: splitPayload(payload ?? '') });
    check();
  });
  for (const topic of topics) await session.query(`listen ${channelName('reprise', topic)}`);
  return {
    until: (last) =>
      new Promise((resolve) => {
        check = () => {
          if (notices.some((notice) => notice.items.includes(last))) resolve(notices);
        };
        check();
      }),
  };
}

test('what is told in one moment travels together, each thing once', async (t) => {
  const { until } = await listener(t, 'wake', 'closed', 'mail_7');
  const runId = newRunId();
  for (const queue of ['a/one', 'a/two', 'a/one']) database.notifier.wake(queue);
  database.notifier.mail(7, runId);
  database.notifier.mail(7, runId);
  database.notifier.mail(8, newRunId());
  database.notifier.closed(runId);
  database.notifier.closed('last');
  assert.deepEqual(await until('last'), [
    { channel: 'reprise_wake', items: ['a/one', 'a/two'] },
    { channel: 'reprise_mail_7', items: [runId] },
    { channel: 'reprise_closed', items: [runId, 'last'] },
  ]);
});

test('any number of items is told, in as many notices as it takes', async (t) => {
  const { until } = await listener(t, 'closed');
  const runIds = Array.from({ length: 1_000 }, () => newRunId());
  for (const runId of runIds) database.notifier.closed(runId);
  const notices = await until(runIds.at(-1)!);
  assert.ok(notices.length > 1);
  assert.deepEqual(
    notices.flatMap((notice) => notice.items),
    runIds,
  );
});

test('names of many bytes a character are told as well', async (t) => {
  const { until } = await listener(t, 'wake');
  const queues = Array.from({ length: 20 }, (_, i) => `default/${'漢'.repeat(990)}${i}`);
  for (const queue of queues) database.notifier.wake(queue);
  const notices = await until(queues.at(-1)!);
  assert.deepEqual(
    notices.flatMap((notice) => notice.items),
    queues,
  );
});

test('what is told while a notice is on its way goes with the next', async (t) => {
  const { until } = await listener(t, 'request', 'answered');
  database.notifier.request('default/first');
  await new Promise((resolve) => setImmediate(resolve));
  database.notifier.request('default/second');
  database.notifier.answered('third');
  const notices = await until('third');
  assert.deepEqual(
    notices.flatMap((notice) => notice.items),
    ['default/first', 'default/second', 'third'],
  );
});

test('a notice that cannot be sent is nobody’s failure, and the next one is sent', async (t) => {
  const own = await Database.open({ connectionString: store.url });
  t.after(() => own.close());
  const { until } = await listener(t, 'wake');
  own.notifier.wake('bad\0name');
  await new Promise((resolve) => setImmediate(resolve)); // the first is on its way alone
  own.notifier.wake('default/good');
  const notices = await until('default/good');
  assert.deepEqual(
    notices.map((notice) => notice.items),
    [['default/good']],
  );
});
