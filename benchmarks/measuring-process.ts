// Runs a measurement in a new process, in which nothing is compiled, cached or connected. The process sends one
// message.
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Forks a process that runs `script` with read-only transactions. Returns the message of the process. */
export async function measureInProcess<T>(script: URL, args: readonly string[]): Promise<T> {
  const child = fork(script, [...args], {
    stdio: ['ignore', 2, 2, 'ipc'],
    env: { ...process.env, PGOPTIONS: '-c default_transaction_read_only=on' },
  });
  let answer: T | undefined;
  child.on('message', (message) => {
    answer = message as T;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0 && answer !== undefined) return answer;
  throw new Error(`${script.pathname} ended with code ${code} and ${answer === undefined ? 'no' : 'an'} answer.`);
}
