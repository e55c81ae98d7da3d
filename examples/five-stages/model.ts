// The mathematics of the job: tells the three species of penguins apart by four measures (softmax regression). Pure, so
// the same epochs give the same model, in one process or in three.

export interface Penguin {
  readonly species: string;
  /** Beak length and depth and flipper length in mm, body mass in g; null: not measured. */
  readonly measures: readonly (number | null)[];
}

export interface Sample {
  readonly label: number;
  readonly inputs: readonly number[];
}

/** For each species, a weight per input, and a constant at the end. */
export type Model = readonly (readonly number[])[];

export const species = ['Adelie', 'Chinstrap', 'Gentoo'];
const stepSize = 0.5;

/** Only complete records. */
export function cleaned(penguins: readonly Penguin[]): Penguin[] {
  return penguins.filter(({ measures }) => measures.every((measure) => measure !== null));
}

/** Each measure with mean 0 and deviation 1, so that grams do not outweigh millimetres. */
export function toSamples(penguins: readonly Penguin[]): Sample[] {
  const rows = penguins.map(({ measures }) => measures.map(Number));
  const scales = (rows[0] ?? []).map((_, column) => scaleOf(rows.map((row) => row[column] ?? 0)));
  return rows.map((row, index) => ({
    label: species.indexOf(penguins[index]?.species ?? ''),
    inputs: row.map((value, column) => (value - (scales[column]?.mean ?? 0)) / (scales[column]?.deviation ?? 1)),
  }));
}

function scaleOf(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

/** Every fifth sample is kept for the test. */
export function split(samples: readonly Sample[]): { training: Sample[]; test: Sample[] } {
  const isTest = (_: Sample, index: number): boolean => index % 5 === 0;
  return { training: samples.filter((sample, index) => !isTest(sample, index)), test: samples.filter(isTest) };
}

export function untrained(): Model {
  return species.map(() => [0, 0, 0, 0, 0]);
}

/** One epoch: the model after one step against the error over all samples. */
export function improved(model: Model, samples: readonly Sample[]): Model {
  const next = model.map((weights) => [...weights]);
  for (const { label, inputs } of samples) {
    const row = [...inputs, 1];
    for (const [index, probability] of probabilities(model, row).entries()) {
      const error = probability - (index === label ? 1 : 0);
      for (const [column, input] of row.entries()) {
        const weights = next[index] ?? [];
        weights[column] = (weights[column] ?? 0) - (stepSize / samples.length) * error * input;
      }
    }
  }
  return next;
}

/** The share of samples whose species the model names. */
export function accuracyOf(model: Model, samples: readonly Sample[]): number {
  const right = samples.filter(({ label, inputs }) => {
    const guesses = probabilities(model, [...inputs, 1]);
    return guesses.indexOf(Math.max(...guesses)) === label;
  });
  return right.length / samples.length;
}

function probabilities(model: Model, row: readonly number[]): number[] {
  const powers = model.map((weights) => Math.exp(weights.reduce((sum, weight, i) => sum + weight * (row[i] ?? 0), 0)));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
