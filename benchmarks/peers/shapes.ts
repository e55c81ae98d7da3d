// The peers' workflow bodies and the clock inside them: first start to last end; for W4 also when a workflow is entered again
// and when its first new step runs.
import type { Input, Shapes, Step } from './adapter.ts';

/** What a process's workflow code has seen: ms of `Date.now()` for W4, of `performance.now()` for rates. */
export interface Seen {
  firstBegin: number | undefined;
  lastEnd: number | undefined;
  /** W4: entry of the held workflow. */
  entered: number | undefined;
  /** W4: start of the first step body in this process. */
  firstStep: number | undefined;
  stepBodies: number;
}

export function nothingSeen(): Seen {
  return { firstBegin: undefined, lastEnd: undefined, entered: undefined, firstStep: undefined, stepBodies: 0 };
}

/** The workflow of W4 awaits `held` after its steps; in the process that is killed, that never resolves. */
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
