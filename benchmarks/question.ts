// The shape of a benchmark: a question, whose answer is a list of measurements. Questions print nothing: run.ts and
// compare.ts print the answers.
import type { Bench } from './bench.ts';

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** One value for each round. If the question ignores `rounds`, one value for each time that it measured. */
  readonly values: readonly number[];
  readonly better: 'higher' | 'lower';
  /** A remark that is printed beside the figure. */
  readonly note?: string;
}

export interface QuestionOptions {
  readonly rounds: number;
  /** Amount of work in a round, in the question's unit. */
  readonly size: number;
}

export interface Question {
  /** The id that `--only` selects. */
  readonly id: string;
  readonly title: string;
  readonly size: { readonly of: string; readonly usual: number; readonly most?: number };
  /** The question takes minutes, so it is asked only with --only or --all. Most long questions ignore `rounds`. */
  readonly isLong?: boolean;
  /** @throws if a run is lost, repeated or wrong, because then no figure is valid. */
  run(bench: Bench, options: QuestionOptions): Promise<Measurement[]>;
}
