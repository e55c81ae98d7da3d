// What a benchmark is: one question, whose answer is a list of measurements. Questions print nothing; run.ts and
// compare.ts do.
import type { Bench } from './bench.ts';

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** One value a round, or as many as there are when the question is asked once. */
  readonly values: readonly number[];
  readonly better: 'higher' | 'lower';
  /** What a reader should know beside the figure. */
  readonly note?: string;
}

export interface QuestionOptions {
  readonly rounds: number;
  /** How much work a round is; the question says of what. */
  readonly size: number;
}

export interface Question {
  /** What `--only` takes. */
  readonly id: string;
  readonly title: string;
  readonly size: { readonly of: string; readonly usual: number; readonly most?: number };
  /** Takes minutes, so it runs with --only and --all alone, and asks once unless `rounds` is said to count. */
  readonly isLong?: boolean;
  /** @throws when a run is lost, repeated or wrong: then no figure is worth printing. */
  run(bench: Bench, options: QuestionOptions): Promise<Measurement[]>;
}
