// Where a worker looks for due runs. Without a version it polls the queue of its task queue. With a version it polls up to
// three queues: its own, and, while its version is current or ramping, those of its deployment and of no version.
import type { VersionedClaim } from '../../store/activities/activity-tasks.ts';
import type { ClaimRoute } from '../../store/ownership/claim.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';

export interface ClaimSource {
  readonly queue: string;
  /** The database decides too what is current: this worker may not know it yet. */
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
      // Only workers of the version can say that nobody has a type.
      ...(source.queue === queue ? {} : { among: queue }),
      ...(route === undefined ? {} : { route }),
    };
    return { ...source, versioned };
  });
}
