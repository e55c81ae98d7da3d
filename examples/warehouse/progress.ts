// Shows progress. On a terminal, rewrites one line; otherwise, prints a line every few seconds.
import type { RunWatch } from './run-watch.ts';

const terminalPauseMs = 100;
const logPauseMs = 3_000;

export class Progress {
  readonly #total: number;
  readonly #startedAt = performance.now();
  #shownAt = performance.now();

  constructor(total: number) {
    this.#total = total;
  }

  show(watch: RunWatch): void {
    const now = performance.now();
    if (now - this.#shownAt < (process.stdout.isTTY ? terminalPauseMs : logPauseMs)) return;
    this.#shownAt = now;
    const seconds = (now - this.#startedAt) / 1000;
    const share = ((watch.completed / this.#total) * 100).toFixed(1);
    const rate = Math.round(watch.completed / seconds);
    const line = `${figure(watch.completed)} / ${figure(this.#total)}  ${share} %  ${figure(rate)}/s  ${figure(watch.patches)} patches`;
    process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  }

  /** Prints a line that later progress does not overwrite. */
  say(line: string): void {
    process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}\n` : `${line}\n`);
  }
}

/** A number with thousands separators. */
export function figure(value: number): string {
  return value.toLocaleString('en-US');
}
