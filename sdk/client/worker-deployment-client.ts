// Versions of worker deployments, for operators: lists versions, sets the current version, and ramps a version up.
import { toCanonicalString, type WorkerDeploymentVersion } from '../../runtime/core/run/deployment.ts';
import { describeValue } from '../../runtime/core/json/json.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import {
  changeRouting,
  countDeployment,
  readVersions,
  registerVersion,
  type RoutingChange,
  type VersionRow,
} from '../../runtime/store/deployments/deployments.ts';
import type { Connection } from '../common/connection.ts';
import { checkBuildId, checkDeploymentName } from '../worker/deployment-version.ts';

/**
 * CURRENT and RAMPING versions take new runs. A version that no longer takes new runs is DRAINING while open runs are
 * pinned to it or are in the memory of its workers. After that it is DRAINED, and its workers can be stopped. INACTIVE:
 * the version has never taken new runs.
 */
export type WorkerDeploymentVersionStatus = 'INACTIVE' | 'CURRENT' | 'RAMPING' | 'DRAINING' | 'DRAINED';

export interface WorkerDeploymentVersionInfo {
  readonly version: WorkerDeploymentVersion;
  readonly status: WorkerDeploymentVersionStatus;
  /** Number of open runs that only workers of this version can continue. */
  readonly pinnedRuns: number;
  /** Number of other open runs that workers of this version have in memory now. */
  readonly runsInMemory: number;
  /** Number of live workers. */
  readonly liveWorkers: number;
  /** Task queues that workers of this version have ever polled. */
  readonly taskQueues: readonly string[];
  /** When the version's first worker started. */
  readonly registeredTime: Date;
}

export interface WorkerDeploymentSummary {
  readonly deploymentName: string;
  /**
   * The version that takes new runs. Undefined: workers of this deployment only take runs that are pinned to their
   * version.
   */
  readonly currentVersion: WorkerDeploymentVersion | undefined;
  /** The version that takes a share of new runs, by workflow id. */
  readonly rampingVersion: WorkerDeploymentVersion | undefined;
  /** Share of the ramping version, 0 to 100. */
  readonly rampingPercentage: number | undefined;
}

export interface WorkerDeploymentDescription extends WorkerDeploymentSummary {
  /** Number of open runs that move to the current version. */
  readonly autoUpgradeRuns: number;
  /** Oldest first. */
  readonly versions: readonly WorkerDeploymentVersionInfo[];
}

export interface SetVersionOptions {
  /** Allows a version that has never had a worker; default false, since a misspelt build id would take all new runs. */
  readonly allowNoPollers?: boolean;
}

export class WorkerDeploymentClient {
  readonly #connection: Connection;
  readonly #namespace: string;

  constructor({ connection, namespace }: { connection: Connection; namespace: string }) {
    this.#connection = connection;
    this.#namespace = namespace;
  }

  /** All deployments of the namespace that have had a worker, by name. */
  async list(): Promise<WorkerDeploymentSummary[]> {
    const rows = await this.#connection.reach((database) => readVersions(database, this.#namespace, null));
    return [...Map.groupBy(rows, (row) => row.deployment_name)].map(([name, versions]) => summary(name, versions));
  }

  /** @throws INVALID_INPUT for a deployment that has never had a worker */
  async describe(deploymentName: string): Promise<WorkerDeploymentDescription> {
    const name = checkDeploymentName('deploymentName', deploymentName);
    return this.#connection.reach(async (database) => {
      const rows = await readVersions(database, this.#namespace, name);
      if (rows.length === 0) throw this.#unknownDeployment(name);
      const buildIds = rows.map((row) => row.build_id);
      const { autoUpgrade, byBuild } = await countDeployment(database, this.#namespace, name, buildIds);
      const versions = rows.map((row): WorkerDeploymentVersionInfo => {
        const { pinned, inMemory, liveWorkers, taskQueues } = byBuild.get(row.build_id)!;
        return {
          version: { deploymentName: name, buildId: row.build_id },
          status: statusOf(row, pinned + inMemory),
          pinnedRuns: pinned,
          runsInMemory: inMemory,
          liveWorkers,
          taskQueues,
          registeredTime: row.registered_at,
        };
      });
      return { ...summary(name, rows), autoUpgradeRuns: autoUpgrade, versions };
    });
  }

  /**
   * Makes a build current: it takes new runs from now on, and auto-upgrade runs from their next task. If the build was
   * ramping, its ramp ends.
   * @throws INVALID_INPUT when the build has never had a worker
   */
  async setCurrentVersion(deploymentName: string, buildId: string, options: SetVersionOptions = {}): Promise<void> {
    const current = checkBuildId('buildId', buildId);
    await this.#change(deploymentName, { current }, options);
  }

  /**
   * Lets a build take `percentage` (0 to 100) of the runs that are not pinned, by workflow id. A null `buildId` ends
   * the ramp.
   * @throws INVALID_INPUT when the build has never had a worker or is current, or when no version is current
   */
  async setRampingVersion(
    deploymentName: string,
    buildId: string | null,
    percentage = 0,
    options: SetVersionOptions = {},
  ): Promise<void> {
    if (typeof percentage !== 'number' || !(percentage >= 0 && percentage <= 100)) {
      throw new RuntimeError('INVALID_INPUT', `percentage is ${describeValue(percentage)}, expected 0 to 100.`);
    }
    const ramping = buildId === null ? null : { buildId: checkBuildId('buildId', buildId), percentage };
    await this.#change(deploymentName, { ramping }, options);
  }

  async #change(deploymentName: string, change: RoutingChange, { allowNoPollers }: SetVersionOptions): Promise<void> {
    const name = checkDeploymentName('deploymentName', deploymentName);
    const buildId = 'current' in change ? change.current : change.ramping?.buildId;
    await this.#connection.reach(async (database) => {
      if (allowNoPollers === true && buildId !== undefined) {
        await registerVersion(database, this.#namespace, { deploymentName: name, buildId });
      }
      const refused = await changeRouting(database, this.#namespace, name, change);
      if (refused === undefined) return;
      if (refused.fault === 'unknown' && refused.builds.length === 0) throw this.#unknownDeployment(name);
      const version = toCanonicalString({ deploymentName: name, buildId: buildId ?? '' });
      const why = {
        unknown: `it has never had a worker. Known builds: ${refused.fault === 'unknown' ? refused.builds.join(', ') : ''}. Start its worker first, or pass allowNoPollers`,
        'no current':
          'no version of its deployment is current, so the other runs have nowhere to go. Set the current version first',
        'is current': 'it is the current version. Make another version current first',
      }[refused.fault];
      const what = 'current' in change ? 'current' : 'ramping';
      throw new RuntimeError('INVALID_INPUT', `Version ${version} cannot be made ${what}: ${why}.`);
    });
  }

  #unknownDeployment(name: string): RuntimeError {
    return new RuntimeError(
      'INVALID_INPUT',
      `Deployment "${name}" has never had a worker in namespace ${this.#namespace}. Check the name, or start a worker with ` +
        'workerDeploymentOptions that name it.',
    );
  }
}

function summary(deploymentName: string, rows: readonly VersionRow[]): WorkerDeploymentSummary {
  const version = (row: VersionRow | undefined): WorkerDeploymentVersion | undefined =>
    row && { deploymentName, buildId: row.build_id };
  const ramping = rows.find((row) => row.ramp_percentage !== null);
  return {
    deploymentName,
    currentVersion: version(rows.find((row) => row.is_current)),
    rampingVersion: version(ramping),
    rampingPercentage: ramping?.ramp_percentage ?? undefined,
  };
}

function statusOf(row: VersionRow, runs: number): WorkerDeploymentVersionStatus {
  if (row.is_current) return 'CURRENT';
  if (row.ramp_percentage !== null) return 'RAMPING';
  if (row.activated_at === null) return 'INACTIVE';
  return runs > 0 ? 'DRAINING' : 'DRAINED';
}
