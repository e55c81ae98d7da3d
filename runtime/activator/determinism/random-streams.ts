// Named sequences of random numbers beside Math.random. A library that draws from its own sequence does not shift the
// workflow's draws. Names are Temporal's.
import { currentRun, maybeCurrentRun } from '../run/current-run.ts';
import { FlowValue } from '../run/flow-value.ts';
import type { Random } from './random.ts';

export interface WorkflowRandomStream {
  /** In [0, 1), as Math.random. */
  random(): number;
  uuid4(): string;
  fill(bytes: Uint8Array): Uint8Array;
  /** Inside `fn` and in what it awaits, Math.random and uuid4 draw from this stream. */
  with<T>(fn: () => T): T;
}

/** The stream that `with` substitutes for the run's own. */
const flow = new FlowValue<Random>();

/** The stream of Math.random and uuid4 at this point; undefined outside of runs. */
export function flowRandom(): Random | undefined {
  return flow.get() ?? maybeCurrentRun()?.random;
}

function stream(random: () => Random): WorkflowRandomStream {
  return {
    random: () => random().next(),
    uuid4: () => random().uuid4(),
    fill(bytes) {
      const source = random();
      for (let i = 0; i < bytes.length; i++) bytes[i] = source.uint32() & 0xff;
      return bytes;
    },
    with: (fn) => flow.run(random(), fn),
  };
}

/** A UUID that depends only on the run's seed and the order of calls. */
export function uuid4(): string {
  currentRun('uuid4');
  return flowRandom()!.uuid4();
}

/** The run's stream of this name. Every call and every replay continues the same sequence. */
export function getRandomStream(name: string): WorkflowRandomStream {
  const run = currentRun('getRandomStream');
  if (typeof name !== 'string' || name === '') throw new TypeError('getRandomStream needs the name of a stream');
  return stream(() => run.randomStreams.get(name));
}

/** The run's own stream, also inside a `with` of another stream. Works at module level. */
export const workflowRandom: WorkflowRandomStream = stream(() => currentRun('workflowRandom').random);
