// The peers' workflow bodies and the clock inside them: first begin to last end, and for W4 when a workflow is entered
// again and when its first new step runs.
import type { Input, Shapes, Step } from './adapter.ts';

/** What the workflow code of a process has seen, in ms of `Date.now()` for W4 and of `performance.now()` for rates. */
export interface Seen {
  firstBegin: number | undefined;
  lastEnd: number | undefined;
  /** W4: entry of the held workflow. */
  entered: number | undefined;
  /** W4: begin of the first step body that runs in this process. */
  firstStep: number | undefined;
  stepBodies: number;
}

export function nothingSeen(): Seen {
  return { firstBegin: undefined, lastEnd: undefined, entered: undefined, firstStep: undefined, stepBodies: 0 };
}

/** `held` is what the workflow of W4 waits for when its steps are done: for ever in the process that is killed. */
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
