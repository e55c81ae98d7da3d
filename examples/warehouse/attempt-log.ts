// A file outside the database that counts the executions of activities: one line for each attempt, with the record's
// id.
import { openSync, readFileSync, writeSync } from 'node:fs';

/** Environment variable with the path of the file. main.ts sets the variable for its worker processes. */
export const attemptFileVariable = 'WAREHOUSE_ATTEMPT_FILE';

let descriptor: number | undefined;

/**
 * Passes the line to the operating system before the attempt does anything, so a kill of this process cannot lose the
 * line.
 */
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
