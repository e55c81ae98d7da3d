// The peers' workflow bodies, with a clock inside: it records the first start and the last end of workflow code, and
// for W4 the times when the workflow is entered again and when its first new step runs.
import type { Input, Shapes, Step } from './adapter.ts';

/** When the workflow code of a process ran. Ms of `Date.now()` for W4, of `performance.now()` for rates. */
export interface Seen {
  firstBegin: number | undefined;
  lastEnd: number | undefined;
  /** W4: when the workflow was first entered in this process. */
  entered: number | undefined;
  /** W4: when the first step body in this process began. */
  firstStep: number | undefined;
  stepBodies: number;
}

export function nothingSeen(): Seen {
  return { firstBegin: undefined, lastEnd: undefined, entered: undefined, firstStep: undefined, stepBodies: 0 };
}

/** The workflow of W4 awaits `held()` after its steps. In the process that is killed, `held()` never resolves. */
export function shapesSeenBy(seen: Seen, held: () => Promise<void>): Shapes {
  const timed =
    (body: (step: Step, input: Input) => Promise<unknown>) =>
    async (step: Step, input: Input): Promise<unknown> => {
      seen.firstBegin ??= performance.now();
      const result = await body(step, input);
      seen.lastEnd = performance.now();
      return result;
    };
  return {
    one: timed(async (step, { payload }) => step('s0', async () => payload)),
    sequential: timed(async (step, { payload, steps }) => {
      for (let i = 0; i < steps; i++) await step(`s${i}`, async () => payload);
      return steps;
    }),
    fanOut: timed(async (step, { payload, steps }) => {
      await Promise.all(Array.from({ length: steps }, (_, i) => step(`s${i}`, async () => payload)));
      return steps;
    }),
    async hold(step, { payload, steps }) {
      seen.entered ??= Date.now();
      const body = async (): Promise<unknown> => {
        seen.firstStep ??= Date.now();
        seen.stepBodies += 1;
        return payload;
      };
      for (let i = 0; i < steps; i++) await step(`s${i}`, body);
      await held();
      await step('last', body);
      return steps;
    },
  };
}
