// BM-10: the kinds of moment at which the worker of a journey is lost. Each says how the first worker dies, and who
// comes after it.
import type { BenchPostgres } from '../bench.ts';
import type { BenchWorker, BenchWorkerOptions } from '../bench-worker.ts';

/** How far a journey is when something is done to it. */
export type Phase = 'saves' | 'works' | 'waits' | 'gets a note' | 'sleeps' | 'has children';

export interface Scene {
  readonly victim: BenchWorker;
  readonly postgres: BenchPostgres;
}

export interface Loss {
  /** Kills at this phase; without it, the first worker kills itself. */
  readonly at?: Phase;
  /** Default: SIGKILL to the first worker. */
  readonly strike?: (scene: Scene) => Promise<void>;
  readonly victim?: Pick<BenchWorkerOptions, 'dies' | 'maxCachedRuns'>;
  /** Workers that follow, each when the one before it is dead. Default: one that lives. */
  readonly heirs?: readonly Pick<BenchWorkerOptions, 'dies'>[];
  /** The heirs have the next build of the code. */
  readonly isUpgrade?: boolean;
  /** Another run takes the first worker's only place in memory. */
  readonly isCrowded?: boolean;
}

export interface Moment {
  readonly name: string;
  loss(random: () => number): Loss;
}

export const moments: readonly Moment[] = [
  { name: 'append', loss: (random) => ({ victim: dying(random, 8, 'before append', 'after append') }) },
  { name: 'activity', loss: (random) => ({ victim: dying(random, 10, 'before activity', 'after activity') }) },
  // The journey saves a checkpoint behind each patch, so the worker is likely to be writing one.
  { name: 'checkpoint', loss: () => ({ at: 'saves' }) },
  {
    name: 'eviction',
    loss: (random) => ({
      isCrowded: true,
      victim: { ...dying(random, 1, 'before park', 'after park'), maxCachedRuns: 1 },
    }),
  },
  {
    name: 'takeover',
    loss: (random) => ({
      victim: dying(random, 8, 'after append'),
      heirs: [dying(random, 1, 'claimed', 'loaded'), {}],
    }),
  },
  {
    name: 'database',
    loss: () => ({
      at: 'works',
      async strike({ postgres }) {
        await postgres.kill();
        await postgres.start();
      },
      heirs: [],
    }),
  },
  { name: 'idle wait', loss: () => ({ at: 'waits' }) },
  { name: 'timer', loss: () => ({ at: 'sleeps' }) },
  { name: 'signal', loss: () => ({ at: 'gets a note' }) },
  { name: 'child', loss: () => ({ at: 'has children' }) },
  { name: 'upgrade', loss: () => ({ at: 'works', isUpgrade: true }) },
];

/** Dies at one of the fail points, when it reaches it for the nth time, n at most `most`. */
function dying(random: () => number, most: number, ...points: readonly string[]) {
  return { dies: { at: points[Math.floor(random() * points.length)]!, time: 1 + Math.floor(random() * most) } };
}
