// A file outside the database that counts the executions of activities: one line for each, with what the activity did
// and under which idempotency key. Activities append to the file, and questions read it.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { activityInfo } from 'reprise/activity';

/** Environment variable with the path of the file. Without it, activities count nothing. */
export const effectFileVariable = 'BENCH_EFFECT_FILE';

let descriptor: number | undefined;

/** Called by activities. The operating system has the line before the call returns, so a kill cannot lose it. */
export function logEffect(label: string): void {
  const file = process.env[effectFileVariable];
  if (file === undefined) return;
  descriptor ??= openSync(file, 'a');
  writeSync(descriptor, `${activityInfo().idempotencyKey} ${process.pid} ${label}\n`);
}

/**
 * Whether this activity is entered for the first time. The number of the attempt does not tell: when a worker dies, the
 * attempts that only waited for a place in it count too.
 */
export function isFirstEntry(): boolean {
  const file = process.env[effectFileVariable];
  if (file === undefined) throw new Error(`${effectFileVariable} is not set.`);
  try {
    closeSync(openSync(`${file}.${activityInfo().idempotencyKey}`, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

export interface Effect {
  readonly runId: string;
  readonly idempotencyKey: string;
  readonly pid: number;
  readonly label: string;
}

/** All executions so far, in order. */
export function effectsOf(file: string): Effect[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [idempotencyKey = '', pid, ...label] = line.split(' ');
    return { idempotencyKey, runId: idempotencyKey.split(':')[0]!, pid: Number(pid), label: label.join(' ') };
  });
}
