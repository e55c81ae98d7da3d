// The queues where a worker looks for due runs. A worker without a version polls the queue of its task queue. A worker
// with a version polls the queue of its version and, while the version is current or ramping, the queue of its
// deployment and the queue of unversioned runs.
import type { VersionedClaim } from '../../store/activities/activity-tasks.ts';
import type { ClaimRoute } from '../../store/ownership/claim.ts';
import { replayQueuePrefix } from '../../core/recovery/replay-plan.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';

export interface ClaimSource {
  readonly queue: string;
  /** The claim checks in the database which version is current, because this worker may not know of a change yet. */
  readonly route?: ClaimRoute;
  isOpen(): boolean;
}

/** A queue where a worker looks for activities of other workers' runs, and the conditions of its claims there. */
export interface TaskSource extends ClaimSource {
  readonly versioned: VersionedClaim | undefined;
}

const always = (): boolean => true;

/** `queue`: key of the task queue. */
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

/** The queues where replay forks of these queues' runs wait. */
export function replaySources(sources: readonly ClaimSource[]): readonly ClaimSource[] {
  return sources.map((source) => ({ ...source, queue: replayQueuePrefix + source.queue }));
}

/** Activities wait in the same queues as runs of their version. */
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
      // Only workers of this version count when a claim checks whether any worker executes an activity type.
      ...(source.queue === queue ? {} : { among: queue }),
      ...(route === undefined ? {} : { route }),
    };
    return { ...source, versioned };
  });
}
