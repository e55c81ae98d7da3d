// The questions for every system: the amount of work of each question, the systems that get a different amount, and the
// time limit of a measurement.

export const questions = ['W1', 'W2', 'W2b', 'W3', 'W4', 'W5'] as const;
export type Question = (typeof questions)[number];

export const systems = ['reprise', 'dbos', 'absurd', 'openworkflow', 'restate'] as const;
export type System = (typeof systems)[number];

/** A variant of a question. Only Reprise has variants, two each of W3 and W4. */
export type Variant = '' | 'one process' | 'across processes' | 'new process' | 'idle worker';

export interface Size {
  /** Number of workflows. */
  readonly workflows: number;
  /** Steps in each workflow. */
  readonly steps: number;
}

const sizes: Record<Question, Size> = {
  W1: { workflows: 2000, steps: 1 },
  W2: { workflows: 1, steps: 1000 },
  W2b: { workflows: 50, steps: 100 },
  W3: { workflows: 200, steps: 1 },
  W4: { workflows: 1, steps: 10_000 },
  W5: { workflows: 1, steps: 1000 },
};

/**
 * OpenWorkflow refuses more than 1000 steps in a run. In W3, OpenWorkflow and Absurd wait for polls: 200 runs take
 * minutes.
 */
const otherSizes: Partial<Record<System, Partial<Record<Question, Size>>>> = {
  openworkflow: {
    W2: { workflows: 1, steps: 900 },
    W3: { workflows: 40, steps: 1 },
    W4: { workflows: 1, steps: 900 },
    W5: { workflows: 1, steps: 900 },
  },
  absurd: { W3: { workflows: 100, steps: 1 } },
};

/** BENCH_SCALE multiplies all counts, for short tries. Above 0. */
export const scale: number = Number(process.env['BENCH_SCALE'] ?? 1);

export function sizeOf(question: Question, system: System): Size {
  const { workflows, steps } = otherSizes[system]?.[question] ?? sizes[question];
  const scaled = (count: number): number => (count === 1 ? 1 : Math.max(5, Math.round(count * scale)));
  return { workflows: scaled(workflows), steps: scaled(steps) };
}

export function variantsOf(question: Question, system: System): readonly Variant[] {
  if (system !== 'reprise') return [''];
  if (question === 'W3') return ['one process', 'across processes'];
  if (question === 'W4') return ['new process', 'idle worker'];
  return [''];
}

/** True if the question is asked only in the first round, because the recovery waits for a lease of 30 or 120 s. */
export function onceOnly(question: Question, system: System): boolean {
  return question === 'W4' && (system === 'absurd' || system === 'openworkflow');
}

/** In W4, a system first does 10,000 steps and may then wait for a lease of 120 s. */
export function timeoutMs(question: Question): number {
  return question === 'W4' ? 420_000 : 180_000;
}

/** The number of workflows that W1 keeps in flight. No other question runs as many at once. */
export const workflowsAtOnce = 200;
