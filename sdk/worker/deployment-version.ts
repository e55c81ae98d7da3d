// Checks what users pass about versions: names of deployments and builds, and version overrides.
import {
  VersioningBehavior,
  type VersioningOverride,
  type WorkerDeploymentVersion,
} from '../../runtime/core/run/deployment.ts';
import { describeValue, isStorableName } from '../../runtime/core/json/json.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';

/** Limited, because names become part of queue keys, an index, and notices. */
const nameCharsMax = 200;

/** Characters outside ASCII count more, because keys contain them URL-encoded. */
function isName(name: unknown): name is string {
  return typeof name === 'string' && isStorableName(name) && encodeURIComponent(name).length <= nameCharsMax;
}

/** @throws INVALID_INPUT */
export function checkDeploymentName(what: string, name: unknown): string {
  // Temporal's rule, because the canonical form of a version is `deployment.build`.
  if (isName(name) && !/[.:]/.test(name)) return name;
  throw new RuntimeError(
    'INVALID_INPUT',
    `${what} must be text of 1 to ${nameCharsMax} characters without "." and ":", got ${describeValue(name)}.`,
  );
}

/** @throws INVALID_INPUT */
export function checkBuildId(what: string, buildId: unknown): string {
  if (isName(buildId)) return buildId;
  throw new RuntimeError(
    'INVALID_INPUT',
    `${what} must be text of 1 to ${nameCharsMax} characters, got ${describeValue(buildId)}.`,
  );
}

/** Returns a copy. @throws INVALID_INPUT */
export function checkVersion(what: string, version: unknown): WorkerDeploymentVersion {
  if (typeof version !== 'object' || version === null) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `${what} must be { deploymentName, buildId }, got ${describeValue(version)}.`,
    );
  }
  const { deploymentName, buildId } = version as Partial<WorkerDeploymentVersion>;
  return {
    deploymentName: checkDeploymentName(`${what}.deploymentName`, deploymentName),
    buildId: checkBuildId(`${what}.buildId`, buildId),
  };
}

/** @throws INVALID_INPUT */
export function checkOverride(override: VersioningOverride): VersioningOverride {
  if (override === VersioningBehavior.AUTO_UPGRADE) return override;
  if (typeof override === 'object' && override !== null && 'pinnedTo' in override) {
    return { pinnedTo: checkVersion('versioningOverride.pinnedTo', override.pinnedTo) };
  }
  throw new RuntimeError(
    'INVALID_INPUT',
    `versioningOverride must be 'AUTO_UPGRADE' or { pinnedTo: { deploymentName, buildId } }, got ${describeValue(override)}.`,
  );
}

/** Refuses a namespace that starts with @, because queue keys of versioned runs do. @throws INVALID_INPUT */
export function checkNamespace(namespace: string): void {
  if (!namespace.startsWith('@')) return;
  throw new RuntimeError(
    'INVALID_INPUT',
    `namespace is ${describeValue(namespace)}, expected a name that does not start with @.`,
  );
}
