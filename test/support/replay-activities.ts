// Activities for tests of replays with live activities. Each call is a line in a file, so that a test sees every
// function that was entered, in whichever process.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { activity, activityInfo, recordUsage } from 'reprise/activity';

export class CallFile {
  readonly #folder = mkdtempSync(join(tmpdir(), 'reprise-calls-'));
  readonly #file = join(this.#folder, 'calls');

  constructor() {
    this.clear();
    after(() => rmSync(this.#folder, { recursive: true }));
  }

  note(...parts: unknown[]): void {
    appendFileSync(this.#file, `${parts.join(' ')}\n`);
  }

  /** The calls since the last `clear`. */
  get lines(): string[] {
    return readFileSync(this.#file, 'utf8').split('\n').slice(0, -1);
  }

  clear(): void {
    rmSync(this.#file, { force: true });
    appendFileSync(this.#file, '');
  }
}

/** What the activities answer; a test changes it between a run and its replay. */
export interface Answers {
  isValid: boolean;
  /** Suffix of an answer of `rate`. */
  model: (item: string) => string;
}

export type ReplayActivities = ReturnType<typeof replayActivities>;

export function replayActivities(calls: CallFile, answers: Answers) {
  return {
    /** Undeclared. */
    async validate(amount: number): Promise<boolean> {
      calls.note('validate', amount);
      return answers.isValid;
    },
    /** Undeclared. */
    async charge(amount: number): Promise<string> {
      calls.note('charge', amount, activityInfo().idempotencyKey);
      recordUsage({ costUsd: 0.5 });
      return `charged ${amount}`;
    },
    notify: activity({ effect: 'none' }, async (text: string): Promise<string> => {
      calls.note('notify', text);
      return `notified ${text}`;
    }),
    rate: activity({ effect: 'none' }, async (item: string): Promise<string> => {
      calls.note('rate', item);
      recordUsage({ model: 'stub', costUsd: 0.000_283 });
      return `${item} ${answers.model(item)}`;
    }),
    /** Undeclared; fails in its first attempt. */
    async fails(text: string): Promise<string> {
      calls.note('fails', text);
      if (activityInfo().attempt === 1) throw new Error('the first attempt fails');
      return `done ${text}`;
    },
    wipe: activity({ effect: 'unsafe' }, async (what: string): Promise<string> => {
      calls.note('wipe', what);
      return `wiped ${what}`;
    }),
  };
}
