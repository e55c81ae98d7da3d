// Versions of worker deployments: their names, what a run's log says of them, and the queues that follow from it. A run
// belongs to no version (`open`), to a deployment whichever version of it is current, or to one version alone.
// Names: Temporal's (worker-deployments).

/** A build of a worker's code. */
export interface WorkerDeploymentVersion {
  readonly buildId: string;
  readonly deploymentName: string;
}

/** `deploymentName.buildId`. */
export function toCanonicalString({ deploymentName, buildId }: WorkerDeploymentVersion): string {
  return `${deploymentName}.${buildId}`;
}

/** When a run may move from workers of one build to those of another. */
export const VersioningBehavior = {
  /** Never: the run ends on the build that completed its first task. */
  PINNED: 'PINNED',
  /** With its next task, when another build is current. Its code must follow the histories of the builds before. */
  AUTO_UPGRADE: 'AUTO_UPGRADE',
} as const;
export type VersioningBehavior = (typeof VersioningBehavior)[keyof typeof VersioningBehavior];

/** Where the run begins that a pinned one continues as; without it, on the same build. */
export const InitialVersioningBehavior = {
  /** On the current build, or the ramping one by its share. */
  AUTO_UPGRADE: 'AUTO_UPGRADE',
  /** On the ramping build, whatever its share; on the current one when none is ramping. */
  USE_RAMPING_VERSION: 'USE_RAMPING_VERSION',
} as const;
export type InitialVersioningBehavior = (typeof InitialVersioningBehavior)[keyof typeof InitialVersioningBehavior];

export interface PinnedVersioningOverride {
  readonly pinnedTo: WorkerDeploymentVersion;
}
/** What a start says of its run, whatever the code says. */
/** @deprecated Temporal's older versions of workers; options that take it are accepted, without meaning here. */
export const VersioningIntent = { COMPATIBLE: 'COMPATIBLE', DEFAULT: 'DEFAULT' } as const;
export type VersioningIntent = (typeof VersioningIntent)[keyof typeof VersioningIntent];

export type AutoUpgradeVersioningOverride = 'AUTO_UPGRADE';
export type VersioningOverride = PinnedVersioningOverride | AutoUpgradeVersioningOverride;

/** Part of the `meta` of WorkflowStarted; absent when the run has nothing to do with versions. */
export interface StartedVersioning {
  versioningOverride?: VersioningOverride;
  /** Of the pinned run that this one continues or is a child of: where its first task runs. */
  inheritedVersion?: WorkerDeploymentVersion;
}

/** `meta` of a WorkflowTaskCompleted that has one: from its turn on the run is worked on by another build. */
export interface DeploymentMeta {
  version: WorkerDeploymentVersion;
  /** Absent when the worker does not take part in versioning. */
  behavior?: VersioningBehavior;
  /** A pinned run would begin on another version by now. */
  targetChanged?: boolean;
}

/** What a run's log says so far. */
export interface RunVersioning extends StartedVersioning {
  recorded?: DeploymentMeta;
}

/** The part of a run's start that has to do with versions; undefined when there is none. */
export function startedVersioning(started: StartedVersioning): StartedVersioning | undefined {
  const { versioningOverride, inheritedVersion } = started;
  if (versioningOverride === undefined && inheritedVersion === undefined) return undefined;
  return {
    ...(versioningOverride === undefined ? {} : { versioningOverride }),
    ...(inheritedVersion === undefined ? {} : { inheritedVersion }),
  };
}

/** What holds for a run; undefined while it belongs to no version. */
export interface EffectiveVersioning {
  readonly behavior: VersioningBehavior;
  readonly version: WorkerDeploymentVersion;
}

export function effectiveVersioning(of: RunVersioning | undefined): EffectiveVersioning | undefined {
  if (of === undefined) return undefined;
  const { versioningOverride: override, recorded, inheritedVersion } = of;
  if (typeof override === 'object') return { behavior: 'PINNED', version: override.pinnedTo };
  if (recorded?.behavior !== undefined) {
    return { behavior: override ?? recorded.behavior, version: recorded.version };
  }
  return inheritedVersion === undefined ? undefined : { behavior: 'PINNED', version: inheritedVersion };
}

export function isSameVersion(a: WorkerDeploymentVersion, b: WorkerDeploymentVersion): boolean {
  return a.deploymentName === b.deploymentName && a.buildId === b.buildId;
}

/** The name under which runs of a task queue wait that belong to no version. */
export function queueKey(namespace: string, taskQueue: string): string {
  return `${namespace}/${taskQueue}`;
}

/** Stands before a queue's key: runs of any version of a deployment. No namespace begins with @. */
export function deploymentPrefix(deploymentName: string): string {
  return `@${encodeURIComponent(deploymentName)}/`;
}

/** Stands before a queue's key: runs of this version alone. */
export function versionPrefix({ deploymentName, buildId }: WorkerDeploymentVersion): string {
  return `@${encodeURIComponent(deploymentName)}:${encodeURIComponent(buildId)}/`;
}

/** What the key of a queue says: the queue's own key, and whose runs or activities wait there. */
export interface PlacedQueue {
  /** Of the task queue itself. */
  readonly key: string;
  /** Empty when they belong to no version. */
  readonly prefix: string;
  readonly deploymentName: string | undefined;
  /** Undefined when every build of the deployment may take them. */
  readonly buildId: string | undefined;
}

export function placedQueue(queue: string): PlacedQueue {
  if (!queue.startsWith('@')) return { key: queue, prefix: '', deploymentName: undefined, buildId: undefined };
  const end = queue.indexOf('/');
  const [deploymentName, buildId] = queue.slice(1, end).split(':').map(decodeURIComponent);
  return { key: queue.slice(end + 1), prefix: queue.slice(0, end + 1), deploymentName, buildId };
}

/** Stands before the key of the queue in which such a run waits; empty when it belongs to no version. */
export function prefixOf(effective: EffectiveVersioning | undefined): string {
  if (effective === undefined) return '';
  const { behavior, version } = effective;
  return behavior === 'PINNED' ? versionPrefix(version) : deploymentPrefix(version.deploymentName);
}

/** Where a run begins that follows from another one. */
export interface VersionedPlace {
  /** Stands before the key of its queue. */
  readonly prefix: string;
  readonly deploymentName: string;
  /** The version that its first task runs on; undefined: what is current then. */
  readonly inherits: WorkerDeploymentVersion | undefined;
  /** Whatever its queue is; else workers of the version, or of any of the deployment, must have polled that. */
  readonly isOverride: boolean;
}

/** How a run follows from another one: it continues it as new, tries it again, is the next of its schedule, is its child. */
export type Follows = 'continued' | 'retried' | 'scheduled' | 'child';

/**
 * Where a run begins that follows from one of these versions; undefined when that has none. A pinned run hands its version
 * on to what it continues as and to its children; to another try only when it had been handed it itself; never to the next
 * of its schedule. `instead`: a version that was asked for. What a start said holds for the whole chain.
 * Source: Temporal (worker versioning, inheritance semantics).
 */
export function placeAfter(
  versioning: RunVersioning | undefined,
  follows: Follows,
  instead?: WorkerDeploymentVersion | 'current',
): VersionedPlace | undefined {
  const effective = effectiveVersioning(versioning);
  if (versioning === undefined || effective === undefined) return undefined;
  const { behavior, version } = effective;
  const { deploymentName } = version;
  const isOverride = typeof versioning.versioningOverride === 'object' && follows !== 'child';
  if (isOverride) return { prefix: versionPrefix(version), deploymentName, inherits: undefined, isOverride };
  const hands =
    behavior === 'PINNED' &&
    (follows === 'continued' ||
      follows === 'child' ||
      (follows === 'retried' && versioning.inheritedVersion !== undefined));
  let inherits = hands ? version : undefined;
  if (instead !== undefined) inherits = instead === 'current' ? undefined : instead;
  if (inherits === undefined && follows === 'child') return undefined;
  const prefix = inherits === undefined ? deploymentPrefix(deploymentName) : versionPrefix(inherits);
  return { prefix, deploymentName, inherits, isOverride };
}
