// A file outside the database in which the stages write what they do, with the identity of their worker. The program
// reads from it what was really executed, whatever the log of the run says.
import { existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface StageLine {
  readonly worker: string;
  /** `starts`, `ends`, or `epoch 7`. */
  readonly what: string;
  readonly stage: string;
  /** ms since 1970. */
  readonly at: number;
}

export class StageLog {
  readonly #folder: string;
  readonly #worker: string;
  readonly #file: number;

  constructor(folder: string, worker: string) {
    this.#folder = folder;
    this.#worker = worker;
    this.#file = openSync(fileIn(folder), 'a');
  }

  write(stage: string, what: string): void {
    const line: StageLine = { worker: this.#worker, stage, what, at: Date.now() };
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  /**
   * Waits until the program has taken a worker away in this stage. So the loss comes at the same point on any machine,
   * although the stages are short. Later executions do not wait.
   */
  async waitForLoss(stage: string): Promise<void> {
    while (!existsSync(lossFile(this.#folder, stage))) await sleep(10);
  }
}

export function readStageLog(folder: string): StageLine[] {
  const file = fileIn(folder);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as StageLine);
}

/** The program creates this file when it has taken a worker away in the stage. */
export function lossFile(folder: string, stage: string): string {
  return join(folder, `${stage}.loss`);
}

function fileIn(folder: string): string {
  return join(folder, 'stages.jsonl');
}
