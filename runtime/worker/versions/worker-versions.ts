// A worker's version: which runs the worker may work on, what its turns record about the version, and which runs must
// move to workers of another version. The worker reads regularly, and on each notice, which version is current.
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
  /**
   * For workflows that declare no behavior. Undefined: the worker reports its version but does not take runs by
   * version.
   */
  readonly defaultBehavior: VersioningBehavior | undefined;
}

/** The queues where a worker looks for runs, in this order: of its version, of its deployment, of unversioned runs. */
export interface VersionedQueues {
  readonly own: string;
  readonly deployment: string;
  readonly open: string;
}

/** The parts of a run in memory that concern its version. */
export interface VersionedRun {
  readonly state: {
    readonly workflowId: string;
    /** Undefined for an unversioned run. */
    readonly versioning: RunVersioning | undefined;
    /** A replay fork stays where it is: it waits in a queue of its own. */
    readonly replay?: unknown;
  };
  /** The version of the run's worker; undefined for an unversioned worker. */
  readonly versions: WorkerVersions | undefined;
  readonly sandbox: { readonly versioningBehavior: VersioningBehavior | undefined } | undefined;
}

const nothing: Routing = { current: undefined, ramping: undefined };

export class WorkerVersions {
  readonly version: WorkerDeploymentVersion;
  readonly queues: VersionedQueues;
  readonly #defaultBehavior: VersioningBehavior | undefined;
  #routing: Routing = nothing;

  /** `queue`: key of the task queue. */
  constructor({ version, defaultBehavior }: WorkerVersion, queue: string) {
    this.version = version;
    this.#defaultBehavior = defaultBehavior;
    this.queues = {
      own: versionPrefix(version) + queue,
      deployment: deploymentPrefix(version.deploymentName) + queue,
      open: queue,
    };
  }

  /** Whether the worker takes runs by version. If not, it takes runs as an unversioned worker does. */
  get isRouted(): boolean {
    return this.#defaultBehavior !== undefined;
  }

  get routing(): Routing {
    return this.#routing;
  }

  /** Stores which versions are current and ramping. Returns true if that has changed. */
  reroute(routing: Routing): boolean {
    const before = this.#routing;
    this.#routing = routing;
    return (
      before.current !== routing.current ||
      before.ramping?.buildId !== routing.ramping?.buildId ||
      before.ramping?.share !== routing.ramping?.share
    );
  }

  /** Whether the worker may take runs that are not pinned to a version. */
  get takesUnpinned(): boolean {
    const { current, ramping } = this.#routing;
    const { buildId } = this.version;
    return current === buildId || (ramping?.buildId === buildId && ramping.share > 0);
  }

  /** What the run's next turn must record about its version; undefined when the log already says it. */
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

  /** The mark with the behavior that the run's code declares, as it is written to the log. */
  completed(mark: DeploymentMeta, run: VersionedRun): DeploymentMeta {
    if (this.#defaultBehavior === undefined) return mark;
    return { ...mark, behavior: run.sandbox?.versioningBehavior ?? this.#defaultBehavior };
  }

  /** Whether the run must move to another version with its next task. */
  movesOn(run: VersionedRun): boolean {
    if (run.state.replay !== undefined) return false;
    if (!this.isRouted || effectiveVersioning(run.state.versioning)?.behavior === 'PINNED') return false;
    return this.#target(run.state.workflowId) !== this.version.buildId;
  }

  /** The build that a run of this workflow id begins on; undefined when no version is current. */
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

/** Whether the run belongs to workers of another version, according to its log or to the current version. */
export function belongsElsewhere(run: VersionedRun): boolean {
  return isMisplaced(run.state.versioning, run.versions) || run.versions?.movesOn(run) === true;
}

/** Like `belongsElsewhere`, but according to the log alone. */
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

/** Whether a worker may answer queries about a run that nobody owns, according to the run's log. */
export function mayAnswer(versioning: RunVersioning | undefined, versions: WorkerVersions | undefined): boolean {
  if (isMisplaced(versioning, versions)) return false;
  if (versions === undefined || !versions.isRouted) return true;
  return versions.takesUnpinned || effectiveVersioning(versioning)?.behavior === 'PINNED';
}

/**
 * The queue where the run waits when nobody owns it; undefined: its previous queue. `queue`: key of the run's task
 * queue.
 */
export function homeQueue({ state: { versioning } }: VersionedRun, queue: string): string | undefined {
  if (versioning === undefined) return undefined;
  const prefix = prefixOf(effectiveVersioning(versioning));
  return prefix === '' ? undefined : prefix + queue;
}
