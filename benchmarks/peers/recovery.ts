// W4 for the peers: a worker process does the steps and is killed, and a new process starts at once. Measures the time
// from the kill to the first new step, with the peer's default lease and polling interval.
import { type ChildProcess, fork } from 'node:child_process';
import { payload } from '../load.ts';
import type { Recovery } from './adapter.ts';
import { hasKey, isWord, messageFrom } from './child-messages.ts';
import { loadAdapter, runSql } from './load-adapter.ts';
import type { System } from './questions.ts';
import type { Seen } from './shapes.ts';

/** What the process that takes over reports. */
export interface Recovered extends Seen {
  readonly opened: number;
}

export async function measureRecovery(url: string, system: System, steps: number): Promise<Recovery> {
  const adapter = await loadAdapter(system);
  const server = await adapter.serve?.();
  const forked = (role: 'first' | 'second'): ChildProcess =>
    fork(new URL('./recovery-process.ts', import.meta.url), [system, role, JSON.stringify({ payload, steps })], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, BENCH_URL: url, BENCH_ADDRESS: JSON.stringify(server?.address ?? null) },
    });
  try {
    await adapter.install?.(url, (sql) => runSql(url, sql));
    const first = forked('first');
    await messageFrom(first, isWord('done'));
    const killed = Date.now();
    first.kill('SIGKILL');
    const second = forked('second');
    const { opened, entered, firstStep, stepBodies } = await messageFrom(second, hasKey<Recovered>('opened'));
    second.kill('SIGKILL');
    if (stepBodies !== 1) throw new Error(`${stepBodies - 1} completed steps ran again.`);
    if (entered === undefined || firstStep === undefined) throw new Error('The workflow was not entered again.');
    return {
      total: firstStep - killed,
      sinceOpen: firstStep - opened,
      pickup: entered - opened,
      replay: firstStep - entered,
    };
  } finally {
    await server?.stop();
  }
}
