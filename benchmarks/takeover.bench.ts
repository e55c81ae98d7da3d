// BM-12: the only busy worker dies or hangs, an idle one takes over; time from the signal to the first new event of the run.
import type { ChildProcess } from 'node:child_process';
import { type Bench, median, payload, percentile, report, startWorkerProcess, stopProcess } from './support.ts';

export async function takeover(bench: Bench, rounds: number): Promise<void> {
  const killed: number[] = [];
  for (let i = 0; i < rounds * 2; i++) killed.push(await once(bench, 'SIGKILL'));
  report('BM-12 (a) takeover after SIGKILL', summary(killed));
  const stopped: number[] = [];
  for (let i = 0; i < Math.max(1, rounds >> 1); i++) stopped.push(await once(bench, 'SIGSTOP'));
  report('BM-12 (b) takeover after SIGSTOP, lease 5 s', summary(stopped));
}

function summary(times: readonly number[]): string {
  return `median ${median(times)} ms, p95 ${percentile(times, 0.95)} ms (${Math.min(...times)}-${Math.max(...times)})`;
}

async function once({ client, pool }: Bench, signal: NodeJS.Signals): Promise<number> {
  const busy = await startWorkerProcess('takeover');
  const workflowId = `takeover-${process.pid}-${Math.random()}`;
  const handle = await client.workflow.start('sequential', {
    workflowId,
    taskQueue: 'takeover',
    args: [payload, 1_000_000],
  });
  const head = async (): Promise<number> => {
    const { rows } = await pool.query<{ seq: number }>(
      'select seq from reprise.events where run_id = $1 order by seq desc limit 1',
      [handle.runId],
    );
    return rows[0]!.seq;
  };
  while ((await head()) < 200) await pause(10);
  const idle = await startWorkerProcess('takeover');
  // Long enough for the idle one to trust what it sees of leases.
  await pause(signal === 'SIGSTOP' ? 5_500 : 500);
  const sent = await databaseTime(pool);
  busy.kill(signal);
  const after = await headSoon(head);
  while ((await head()) === after) await pause(5);
  const { rows } = await pool.query<{ at: number }>(
    'select extract(epoch from at)::float8 * 1000 as at from reprise.events where run_id = $1 and seq > $2 order by seq limit 1',
    [handle.runId, after],
  );
  await ending(busy);
  await handle.terminate('measured');
  await stopProcess(idle, 'SIGKILL');
  return Math.round(rows[0]!.at - sent);
}

async function databaseTime(pool: Bench['pool']): Promise<number> {
  const { rows } = await pool.query<{ at: number }>(
    'select extract(epoch from clock_timestamp())::float8 * 1000 as at',
  );
  return rows[0]!.at;
}

/** The head once what was in flight has landed. */
async function headSoon(head: () => Promise<number>): Promise<number> {
  await pause(20);
  return head();
}

async function ending(child: ChildProcess): Promise<void> {
  child.kill('SIGCONT');
  await stopProcess(child, 'SIGKILL');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
