// Waits for messages from a forked process.
import type { ChildProcess } from 'node:child_process';

/**
 * Waits for the next message that `wanted` accepts. Call before the child can send it. Rejects if the child ends first.
 */
export function messageFrom<T>(child: ChildProcess, wanted: (message: unknown) => message is T): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    const onMessage = (message: unknown): void => {
      if (!wanted(message)) return;
      settle();
      resolve(message);
    };
    const onExit = (code: number | null, signal: string | null): void => {
      settle();
      reject(new Error(`A worker process ended with ${code ?? signal} before it answered.`));
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}

export function isWord<W extends string>(word: W): (message: unknown) => message is W {
  return (message): message is W => message === word;
}

/** Accepts a message that is an object with this key. */
export function hasKey<T extends object>(key: keyof T & string): (message: unknown) => message is T {
  return (message): message is T => typeof message === 'object' && message !== null && key in message;
}
