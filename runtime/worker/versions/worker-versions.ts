// A worker's version: which runs it may work on, what its turns write into the log about it, and which runs have to go to
// workers of another version. What is current is asked again and again, and at once when it changes.
import { hash } from 'node:crypto';
import {
  type DeploymentMeta,
  deploymentPrefix,
  effectiveVersioning,
  isSameVersion,
  prefixOf,
  type RunVersioning,
  type VersioningBehavior,
  versionPrefix,
  type WorkerDeploymentVersion,
} from '../../core/run/deployment.ts';
import { type Routing, shareParts } from '../../store/deployments/deployments.ts';

export interface WorkerVersion {
  readonly version: WorkerDeploymentVersion;
  /** For workflows that declare none. Undefined: the worker tells its version, but does not take runs by version. */
  readonly defaultBehavior: VersioningBehavior | undefined;
}

/** In which order a worker looks for runs: its own, those of the deployment, those of no version. */
export interface VersionedQueues {
  readonly own: string;
  readonly deployment: string;
  readonly open: string;
}

/** A run in memory, as far as its version is concerned. */
export interface VersionedRun {
  readonly state: {
    readonly workflowId: string;
    /** Undefined when the run has nothing to do with versions. */
    readonly versioning: RunVersioning | undefined;
  };
  /** What its worker's version means for it; undefined for a worker without a version. */
  readonly versions: WorkerVersions | undefined;
  readonly sandbox: { readonly versioningBehavior: VersioningBehavior | undefined } | undefined;
}

const nothing: Routing = { current: undefined, ramping: undefined };

export class WorkerVersions {
  readonly version: WorkerDeploymentVersion;
  readonly queues: VersionedQueues;
  readonly #defaultBehavior: VersioningBehavior | undefined;
  #routing: Routing = nothing;

  /** `queue`: the key of the task queue. */
  constructor({ version, defaultBehavior }: WorkerVersion, queue: string) {
    this.version = version;
    this.#defaultBehavior = defaultBehavior;
    this.queues = {
      own: versionPrefix(version) + queue,
      deployment: deploymentPrefix(version.deploymentName) + queue,
      open: queue,
    };
  }

  /** Whether it takes runs by version; else as a worker without one does. */
  get isRouted(): boolean {
    return this.#defaultBehavior !== undefined;
  }

  get routing(): Routing {
    return this.#routing;
  }

  /** Takes in what is current now; true when it is not what it was. */
  reroute(routing: Routing): boolean {
    const before = this.#routing;
    this.#routing = routing;
    return (
      before.current !== routing.current ||
      before.ramping?.buildId !== routing.ramping?.buildId ||
      before.ramping?.share !== routing.ramping?.share
    );
  }

  /** Whether runs that are pinned to no version may be this one's. */
  get takesUnpinned(): boolean {
    const { current, ramping } = this.#routing;
    const { buildId } = this.version;
    return current === buildId || (ramping?.buildId === buildId && ramping.share > 0);
  }

  /** What the next turn of a run tells the log of its version; undefined when the log knows. */
  mark(run: VersionedRun): DeploymentMeta | undefined {
    const last = run.state.versioning?.recorded;
    const targetChanged = this.#targetChanged(run);
    const isKnown =
      last !== undefined &&
      isSameVersion(last.version, this.version) &&
      (last.behavior !== undefined) === this.isRouted &&
      (last.targetChanged ?? false) === targetChanged;
    if (isKnown) return undefined;
    return targetChanged ? { version: this.version, targetChanged } : { version: this.version };
  }

  /** A mark as it is written: with the behavior that the run's code declares. */
  completed(mark: DeploymentMeta, run: VersionedRun): DeploymentMeta {
    if (this.#defaultBehavior === undefined) return mark;
    return { ...mark, behavior: run.sandbox?.versioningBehavior ?? this.#defaultBehavior };
  }

  /** Whether the run is to go to another version with its next task. */
  movesOn(run: VersionedRun): boolean {
    if (!this.isRouted || effectiveVersioning(run.state.versioning)?.behavior === 'PINNED') return false;
    return this.#target(run.state.workflowId) !== this.version.buildId;
  }

  /** The build that a run of this workflow id begins on; undefined when none is current. */
  #target(workflowId: string): string | undefined {
    const { current, ramping } = this.#routing;
    if (ramping === undefined || ramping.share === 0) return current;
    if (ramping.share === shareParts) return ramping.buildId;
    const part = hash('sha256', workflowId, 'buffer').readUInt16BE(0);
    return part < ramping.share ? ramping.buildId : current;
  }

  #targetChanged(run: VersionedRun): boolean {
    if (!this.isRouted || effectiveVersioning(run.state.versioning)?.behavior !== 'PINNED') return false;
    const target = this.#target(run.state.workflowId);
    return target !== undefined && target !== this.version.buildId;
  }
}

/** Whether the run belongs to workers of another version than the one that claimed it, by its log or what is current. */
export function belongsElsewhere(run: VersionedRun): boolean {
  return isMisplaced(run.state.versioning, run.versions) || run.versions?.movesOn(run) === true;
}

/** By its log alone. */
function isMisplaced(versioning: RunVersioning | undefined, versions: WorkerVersions | undefined): boolean {
  if (versioning === undefined) return false;
  const effective = effectiveVersioning(versioning);
  if (effective === undefined) return false;
  if (versions === undefined || !versions.isRouted) return true;
  const { behavior, version } = effective;
  return behavior === 'PINNED'
    ? !isSameVersion(version, versions.version)
    : version.deploymentName !== versions.version.deploymentName;
}

/** Whether a worker is one that answers for a run that nobody has, by its log. */
export function mayAnswer(versioning: RunVersioning | undefined, versions: WorkerVersions | undefined): boolean {
  if (isMisplaced(versioning, versions)) return false;
  if (versions === undefined || !versions.isRouted) return true;
  return versions.takesUnpinned || effectiveVersioning(versioning)?.behavior === 'PINNED';
}

/** The queue in which the run waits when nobody owns it; undefined: where it did before. `queue`: its task queue's key. */
export function homeQueue({ state: { versioning } }: VersionedRun, queue: string): string | undefined {
  if (versioning === undefined) return undefined;
  const prefix = prefixOf(effectiveVersioning(versioning));
  return prefix === '' ? undefined : prefix + queue;
}
