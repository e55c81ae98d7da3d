// Where a worker looks for due runs: in the queue of its task queue; a worker with a version in up to three queues, of
// which those that are not pinned to its version are only open to it while that is current or ramping.
import type { VersionedClaim } from '../../store/activities/activity-tasks.ts';
import type { ClaimedRun, ClaimRoute } from '../../store/ownership/claim.ts';
import { Claimer, type ClaimerOptions } from './claimer.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';

export interface ClaimSource {
  readonly queue: string;
  /** What is current decides in the database too, should this worker not know it yet. */
  readonly route?: ClaimRoute;
  isOpen(): boolean;
}

/** Where a worker looks for activities of other workers' runs, and what it asks of each. */
export interface TaskSource extends ClaimSource {
  readonly versioned: VersionedClaim | undefined;
}

const always = (): boolean => true;

/** `queue`: the key of the task queue. */
export function claimSources(
  queue: string,
  namespace: string,
  versions: WorkerVersions | undefined,
): readonly ClaimSource[] {
  if (versions === undefined || !versions.isRouted) return [{ queue, isOpen: always }];
  const { own, deployment, open } = versions.queues;
  const route = { namespace, version: versions.version };
  const isOpen = (): boolean => versions.takesUnpinned;
  return [
    { queue: own, isOpen: always },
    { queue: deployment, route, isOpen },
    { queue: open, route, isOpen },
  ];
}

/** The same queues: an activity goes where a run of its version would. */
export function taskSources(
  queue: string,
  sources: readonly ClaimSource[],
  versions: WorkerVersions | undefined,
): readonly TaskSource[] {
  return sources.map((source) => {
    if (versions === undefined || !versions.isRouted) return { ...source, versioned: undefined };
    const { route } = source;
    const versioned: VersionedClaim = {
      version: versions.version,
      // In a queue of its own only workers of the version can say that nobody has a type.
      ...(source.queue === queue ? {} : { among: queue }),
      ...(route === undefined ? {} : { route }),
    };
    return { ...source, versioned };
  });
}

export interface ClaimsOptions extends Omit<ClaimerOptions, 'claim' | 'adopt'> {
  readonly sources: readonly ClaimSource[];
  claim(source: ClaimSource, due: Parameters<ClaimerOptions['claim']>[0]): Promise<ClaimedRun[]>;
  adopt(claimed: readonly ClaimedRun[], queue: string): Promise<void>;
}

export class Claims {
  readonly #sources: readonly { readonly source: ClaimSource; readonly claimer: Claimer }[];

  constructor({ sources, claim, adopt, ...common }: ClaimsOptions) {
    this.#sources = sources.map((source) => ({
      source,
      claimer: new Claimer({
        ...common,
        claim: (due) => claim(source, due),
        adopt: (claimed) => adopt(claimed, source.queue),
      }),
    }));
  }

  /** Looks for due runs now. `sweep`: also for such as became due long ago. */
  poke(sweep = false): void {
    for (const { source, claimer } of this.#sources) if (source.isOpen()) claimer.poke(sweep);
  }

  /** Looks into those of these queues that this worker claims from. */
  woken(queues: readonly string[]): void {
    for (const { source, claimer } of this.#sources) {
      if (queues.includes(source.queue) && source.isOpen()) claimer.poke();
    }
  }

  /** Queues that this worker may claim from now. */
  get open(): string[] {
    return this.#sources.filter(({ source }) => source.isOpen()).map(({ source }) => source.queue);
  }

  /** Claims nothing any more; resolves when what was claimed is loaded. */
  async stop(): Promise<void> {
    await Promise.all(this.#sources.map(({ claimer }) => claimer.stop()));
  }
}
