// A file outside the database that counts real executions: one line for each attempt, with the record's id.
import { openSync, readFileSync, writeSync } from 'node:fs';

/** Path of the file; main.ts sets it for its worker processes. */
export const attemptFileVariable = 'WAREHOUSE_ATTEMPT_FILE';

let descriptor: number | undefined;

/** Hands the line to the operating system before the attempt does anything, so killing this process cannot lose it. */
export function logAttempt(recordId: string): void {
  const file = process.env[attemptFileVariable];
  if (file === undefined) return;
  descriptor ??= openSync(file, 'a');
  writeSync(descriptor, `${recordId}\n`);
}

export function countAttempts(file: string): { attempts: number; records: number } {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return { attempts: lines.length, records: new Set(lines).size };
}
