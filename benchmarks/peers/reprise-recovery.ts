// W4 for Reprise. `new process` is the same setup as for the peers: the worker is killed, then a new process starts.
// With `idle worker`, a second worker already runs at the kill.
import type { ChildProcess } from 'node:child_process';
import { Client, Connection } from '../../sdk/client.ts';
import { payload } from '../load.ts';
import type { Recovery } from './adapter.ts';
import { hasKey, messageFrom } from './child-messages.ts';
import type { Variant } from './questions.ts';
import { forkWorker, readyWorker, stopProcess } from './reprise.ts';

export async function measureRepriseRecovery(url: string, steps: number, variant: Variant): Promise<Recovery> {
  const connection = await Connection.connect({ connectionString: url });
  const first = await readyWorker(url);
  const handle = await new Client({ connection }).workflow.start('sequentialThenWait', {
    workflowId: `recovered ${variant}`,
    taskQueue: 'bench',
    args: [payload, steps],
  });
  while ((await eventsOf(connection, handle.runId)) < 2 * steps + 1) await pause(20);
  const idle = variant === 'idle worker' ? await readyWorker(url) : undefined;
  if (idle !== undefined) await pause(500); // the idle worker reads the leases before the kill
  const killed = Date.now();
  first.kill('SIGKILL');
  const second = idle ?? forkWorker(url);
  const taken = messageFrom(second, hasKey<{ opened: number; firstStep: number }>('firstStep'));
  await handle.signal('go');
  const { opened, firstStep } = await taken;
  await handle.result();
  const calls = await callsOf(second);
  if (calls !== 1) throw new Error(`${calls - 1} completed activities ran again.`);
  await stopProcess(second);
  await connection.close();
  const total = firstStep - killed;
  return idle === undefined ? { total, sinceOpen: firstStep - opened } : { total };
}

async function callsOf(worker: ChildProcess): Promise<number> {
  const answer = messageFrom(worker, hasKey<{ calls: number }>('calls'));
  worker.send('how many calls');
  return (await answer).calls;
}

async function eventsOf(connection: Connection, runId: string | undefined): Promise<number> {
  const { rows } = await connection.database.pool.query<{ n: number }>(
    'select max(seq) as n from reprise.events where run_id = $1',
    [runId],
  );
  return rows[0]?.n ?? 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
