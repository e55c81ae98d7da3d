// Versions of worker deployments: their names, what a run's log records about them, and the queues that follow. A run
// belongs to no version (`open`), to a deployment (its current version), or to one version only. Names are Temporal's
// (worker-deployments).

/** A build of a worker's code. */
export interface WorkerDeploymentVersion {
  readonly buildId: string;
  readonly deploymentName: string;
}

/** `deploymentName.buildId`. */
export function toCanonicalString({ deploymentName, buildId }: WorkerDeploymentVersion): string {
  return `${deploymentName}.${buildId}`;
}

/** When a run may move from one build to another. */
export const VersioningBehavior = {
  /** Never: the run ends on the build that completed its first task. */
  PINNED: 'PINNED',
  /**
   * With its next task after another build becomes current. The new code must be able to replay histories of earlier
   * builds.
   */
  AUTO_UPGRADE: 'AUTO_UPGRADE',
} as const;
export type VersioningBehavior = (typeof VersioningBehavior)[keyof typeof VersioningBehavior];

/** Where the next run of a pinned run begins after continue-as-new. Default: on the same build. */
export const InitialVersioningBehavior = {
  /** On the current build, or on the ramping one for its percentage of workflow ids. */
  AUTO_UPGRADE: 'AUTO_UPGRADE',
  /** On the ramping build, whatever its share; on the current one if none is ramping. */
  USE_RAMPING_VERSION: 'USE_RAMPING_VERSION',
} as const;
export type InitialVersioningBehavior = (typeof InitialVersioningBehavior)[keyof typeof InitialVersioningBehavior];

export interface PinnedVersioningOverride {
  readonly pinnedTo: WorkerDeploymentVersion;
}
/** @deprecated Temporal's earlier worker versioning. Options accept it and ignore it. */
export const VersioningIntent = { COMPATIBLE: 'COMPATIBLE', DEFAULT: 'DEFAULT' } as const;
export type VersioningIntent = (typeof VersioningIntent)[keyof typeof VersioningIntent];

export type AutoUpgradeVersioningOverride = 'AUTO_UPGRADE';
/** The versioning that a start sets for its run. It overrides the versioning that the code sets. */
export type VersioningOverride = PinnedVersioningOverride | AutoUpgradeVersioningOverride;

/** The versioning part of `meta` of WorkflowStarted; absent when the run has no versioning. */
export interface StartedVersioning {
  versioningOverride?: VersioningOverride;
  /**
   * The version of the pinned run that this run continues or is a child of. This run's first task runs on that version.
   */
  inheritedVersion?: WorkerDeploymentVersion;
}

/** `meta` of a WorkflowTaskCompleted after which another build works on the run. */
export interface DeploymentMeta {
  version: WorkerDeploymentVersion;
  /** Absent when the worker does not use versioning. */
  behavior?: VersioningBehavior;
  /** A new run would now begin on another version than this pinned run. */
  targetChanged?: boolean;
}

/** The versioning that a run's log records so far. */
export interface RunVersioning extends StartedVersioning {
  recorded?: DeploymentMeta;
}

/** The versioning part of a run's start; undefined when there is none. */
export function startedVersioning(started: StartedVersioning): StartedVersioning | undefined {
  const { versioningOverride, inheritedVersion } = started;
  if (versioningOverride === undefined && inheritedVersion === undefined) return undefined;
  return {
    ...(versioningOverride === undefined ? {} : { versioningOverride }),
    ...(inheritedVersion === undefined ? {} : { inheritedVersion }),
  };
}

/** The versioning in force for a run; undefined while it belongs to no version. */
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

/** The queue in which unversioned runs of a task queue wait. */
export function queueKey(namespace: string, taskQueue: string): string {
  return `${namespace}/${taskQueue}`;
}

/** Prefix of a queue's key for runs of any version of a deployment. Namespaces cannot begin with @. */
export function deploymentPrefix(deploymentName: string): string {
  return `@${encodeURIComponent(deploymentName)}/`;
}

/** Prefix of a queue's key for runs of this version only. */
export function versionPrefix({ deploymentName, buildId }: WorkerDeploymentVersion): string {
  return `@${encodeURIComponent(deploymentName)}:${encodeURIComponent(buildId)}/`;
}

/**
 * The parts of a queue's key: the task queue's own key, and the version or deployment whose runs and activities wait in
 * that queue.
 */
export interface PlacedQueue {
  /** Key of the task queue itself. */
  readonly key: string;
  /** Empty when the queue's runs and activities belong to no version. */
  readonly prefix: string;
  readonly deploymentName: string | undefined;
  /** Undefined when every build of the deployment may execute the queue's runs and activities. */
  readonly buildId: string | undefined;
}

export function placedQueue(queue: string): PlacedQueue {
  if (!queue.startsWith('@')) return { key: queue, prefix: '', deploymentName: undefined, buildId: undefined };
  const end = queue.indexOf('/');
  const [deploymentName, buildId] = queue.slice(1, end).split(':').map(decodeURIComponent);
  return { key: queue.slice(end + 1), prefix: queue.slice(0, end + 1), deploymentName, buildId };
}

/**
 * Prefix of the key of the queue in which a run with this versioning waits; empty when the run belongs to no version.
 */
export function prefixOf(effective: EffectiveVersioning | undefined): string {
  if (effective === undefined) return '';
  const { behavior, version } = effective;
  return behavior === 'PINNED' ? versionPrefix(version) : deploymentPrefix(version.deploymentName);
}

/** Where a run that follows another run starts. */
export interface VersionedPlace {
  /** Prefix of the key of the run's queue. */
  readonly prefix: string;
  readonly deploymentName: string;
  /** The version that the run's first task runs on. Undefined: the version that is current at that time. */
  readonly inherits: WorkerDeploymentVersion | undefined;
  /**
   * True: the prefix applies to any task queue. False: only if workers of the version (or of the deployment) ever
   * polled that task queue.
   */
  readonly isOverride: boolean;
}

/** How a run follows another: by continue-as-new, retry, cron schedule, or as its child. */
export type Follows = 'continued' | 'retried' | 'scheduled' | 'child';

/**
 * Where the successor of a run with this `versioning` starts. Undefined if the earlier run has no version, or if a
 * child inherits none. A pinned run passes its version on when it continues as new, and to its children. A retry gets
 * the version only if the failed run had inherited it. The next run of a cron schedule never gets it. `instead`: a
 * version requested for the successor. An override in a start holds for the whole chain, but not for children.
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
  const passesVersionOn =
    behavior === 'PINNED' &&
    (follows === 'continued' ||
      follows === 'child' ||
      (follows === 'retried' && versioning.inheritedVersion !== undefined));
  let inherits = passesVersionOn ? version : undefined;
  if (instead !== undefined) inherits = instead === 'current' ? undefined : instead;
  if (inherits === undefined && follows === 'child') return undefined;
  const prefix = inherits === undefined ? deploymentPrefix(deploymentName) : versionPrefix(inherits);
  return { prefix, deploymentName, inherits, isOverride };
}
