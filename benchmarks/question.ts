// The shape of a benchmark: one question whose answer is a list of measurements. Questions print nothing; run.ts and
// compare.ts print the answers.
import type { Bench } from './bench.ts';

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** One value for each round, or for each occurrence when the question is asked once. */
  readonly values: readonly number[];
  readonly better: 'higher' | 'lower';
  /** What a reader should know about the figure. */
  readonly note?: string;
}

export interface QuestionOptions {
  readonly rounds: number;
  /** Amount of work in a round, and its unit. */
  readonly size: number;
}

export interface Question {
  /** The id for `--only`. */
  readonly id: string;
  readonly title: string;
  readonly size: { readonly of: string; readonly usual: number; readonly most?: number };
  /** Takes minutes, so it runs only with --only or --all, and once unless `rounds` counts. */
  readonly isLong?: boolean;
  /** @throws when a run is lost, repeated or wrong, because then no figure is valid. */
  run(bench: Bench, options: QuestionOptions): Promise<Measurement[]>;
}
