// Notices are sent in batches, stay within NOTIFY's limits whatever the names are, and never fail their sender.
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

/**
 * Collects notices of the given topics. `until(last)` waits for the item `last` and resolves with all notices so far.
 */
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

test('notices that are added at the same time are sent together, each once', async (t) => {
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

test('any number of items is sent, in as many notices as needed', async (t) => {
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

test('names with multi-byte characters are sent too', async (t) => {
  const { until } = await listener(t, 'wake');
  const queues = Array.from({ length: 20 }, (_, i) => `default/${'漢'.repeat(990)}${i}`);
  for (const queue of queues) database.notifier.wake(queue);
  const notices = await until(queues.at(-1)!);
  assert.deepEqual(
    notices.flatMap((notice) => notice.items),
    queues,
  );
});

test('notices that are added during a send go with the next send', async (t) => {
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

test('a notice that cannot be sent fails no caller, and the next notice is sent', async (t) => {
  const own = await Database.open({ connectionString: store.url });
  t.after(() => own.close());
  const { until } = await listener(t, 'wake');
  own.notifier.wake('bad\0name');
  await new Promise((resolve) => setImmediate(resolve)); // the first notice is being sent alone
  own.notifier.wake('default/good');
  const notices = await until('default/good');
  assert.deepEqual(
    notices.map((notice) => notice.items),
    [['default/good']],
  );
});
