// Progress of long work: a bar that is drawn again and again on a terminal, and a line from time to time elsewhere. It
// goes to stderr, so that stdout holds only the result.
import { counted } from '../counted.ts';

const barWidth = 30;
/** Least time between two drawings on a terminal, and between two lines elsewhere. */
const terminalMs = 100;
const lineMs = 5_000;

export class Progress {
  readonly #total: number;
  readonly #what: string;
  readonly #begun = performance.now();
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(total: number, what: string) {
    this.#total = total;
    this.#what = what;
  }

  update(done: number, failed: number): void {
    const now = performance.now();
    const isLast = done >= this.#total;
    if (!isLast && now - this.#drawnAt < (process.stderr.isTTY ? terminalMs : lineMs)) return;
    this.#drawnAt = now;
    const text = this.#text(done, failed, now - this.#begun);
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[2K${text}` : `${text}\n`);
  }

  /** Leaves the bar's line. */
  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
  }

  #text(done: number, failed: number, ms: number): string {
    const share = this.#total === 0 ? 1 : Math.min(1, done / this.#total);
    const rate = Math.round((done / Math.max(ms, 1)) * 1000);
    const counts = `${done} of ${counted(this.#total, this.#what)}, ${failed} failed, ${rate}/s`;
    if (process.stderr.isTTY !== true) return counts;
    const full = Math.round(share * barWidth);
    return `[${'#'.repeat(full)}${'-'.repeat(barWidth - full)}] ${counts}`;
  }
}
