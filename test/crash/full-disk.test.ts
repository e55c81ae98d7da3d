// Postgres has no disk space for the log: no acknowledged write is lost, no activity starts whose schedule could not be
// written, and the runs continue without help once there is space. The log is in a tablespace on a small file system
// that the test fills up. Where the test may not mount one (not root, not Linux), a trigger refuses the log's rows with
// the same SQLSTATE.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';
import { startOwnPostgres } from '../support/cluster.ts';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, tally, taskQueue } from './crash-lab.ts';

const run = promisify(execFile);

interface SmallDisk {
  readonly kind: string;
  fill(): Promise<void>;
  free(): Promise<void>;
}

// Created before Postgres, so that its unmount hook runs after the hook that stops Postgres.
const mountPoint = await mkdtemp(join(tmpdir(), 'reprise-small-'));
let isMounted = false;
const postgres = await startOwnPostgres({ fsync: 'off' });
after(async () => {
  if (isMounted) await run('umount', [mountPoint]);
  await rmdir(mountPoint);
});
const pool = new pg.Pool({ connectionString: postgres.url });
pool.on('error', () => undefined); // the pool's sessions end with the server
const lab = await crashLab({ url: postgres.url, pool });

async function smallDisk(): Promise<SmallDisk> {
  try {
    const { uid, gid } = await stat(
      (await pool.query<{ data_directory: string }>('show data_directory')).rows[0]!.data_directory,
    );
    await run('mount', ['-t', 'tmpfs', '-o', `size=2m,mode=0700,uid=${uid},gid=${gid}`, 'tmpfs', mountPoint]);
    isMounted = true;
  } catch (error) {
    return refusingTrigger(error);
  }
  await pool.query(`create tablespace small location '${mountPoint}'`);
  await pool.query('alter table reprise.events set tablespace small');
  const ballast = join(mountPoint, 'ballast');
  return {
    kind: 'a file system of 2 MB',
    async fill() {
      const file = await open(ballast, 'w');
      try {
        for (;;) await file.write(Buffer.alloc(4096));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      } finally {
        await file.close();
      }
    },
    free: () => rm(ballast),
  };
}

async function refusingTrigger(cause: unknown): Promise<SmallDisk> {
  await pool.query(`create function no_room() returns trigger language plpgsql as
    $$ begin raise 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$`);
  return {
    kind: `a trigger, because nothing can be mounted (${String(cause)})`,
    async fill() {
      await pool.query(
        'create trigger no_room before insert on reprise.events for each row execute function no_room()',
      );
    },
    async free() {
      await pool.query('drop trigger no_room on reprise.events');
    },
  };
}

it('a full disk stops runs and loses nothing, and the runs continue when there is space', async (t) => {
  const disk = await smallDisk();
  t.diagnostic(`the disk is ${disk.kind}`);
  const items = 400;
  await lab.worker();
  const { workflow } = lab.client;
  const listener = await workflow.start('accumulate', { workflowId: 'listener', taskQueue });
  const handle = await workflow.start('tallyAll', { workflowId: 'full', taskQueue, args: [items, 4] });
  await until(async () => (await lab.effects()).length > 40);
  await disk.fill();
  // Starts fill the last page of the log until a start is refused.
  const late: string[] = [];
  const refusal = await until(() =>
    workflow.start('greet', { workflowId: `late ${late.length}`, taskQueue, args: ['x'.repeat(2_000)] }).then(
      ({ workflowId }) => {
        late.push(workflowId);
        return undefined;
      },
      (error: unknown) => error as Error,
    ),
  );
  assert.match(`${refusal.message} ${String(refusal.cause)}`, /No space left on device/);
  // Messages go to another table, which has space, so they are acknowledged.
  await until(() => listener.signal('add', 7).then(() => true));
  const [{ epoch }] = (await pool.query('select max(epoch) as epoch from reprise.workers')).rows as [{ epoch: number }];
  // The outcome of the worker's write is unknown, so the worker ends its incarnation and starts another.
  await until(async () => (await pool.query('select from reprise.workers where epoch > $1', [epoch])).rowCount! > 0);
  assert.equal((await handle.describe()).status.name, 'RUNNING');
  await disk.free();
  assert.equal(await handle.result(), items);
  await listener.signal('finish');
  assert.equal(await listener.result(), 7);
  for (const workflowId of late) await workflow.getHandle(workflowId).result();
  for (const { run_id: runId } of (await pool.query<{ run_id: string }>('select run_id from reprise.runs')).rows) {
    await checkLog(pool, runId);
  }
  const effects = tally((await lab.effects()).filter((line) => line.startsWith('tally')));
  assert.equal(effects.size, items);
  await pool.end();
});
