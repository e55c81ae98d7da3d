// The successor of a run that closes: the contents of its start, and the version that it begins on.
import type { PatchMeta } from '../../core/context/patch-meta.ts';
import type { ContinuedMeta } from '../../core/run/start-meta.ts';
import { type ChainRules, inheritedMeta, succession } from '../../core/run/chain.ts';
import {
  effectiveVersioning,
  type InitialVersioningBehavior,
  placeAfter,
  type RunVersioning,
  type WorkerDeploymentVersion,
} from '../../core/run/deployment.ts';
import type { NewEvent, Micros } from '../../core/log/event.ts';
import { type ContinuedRun, nextRunOf, placeOfNext } from '../../store/runs/continue-run.ts';
import type { LiveRun } from './live-run.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';

/**
 * The successor of a run that continues as new. `versioning` includes this turn. The event carries the context in `ops`
 * only up to here, because the context belongs in the log of the new run. Its patch there names the event. Undefined for a
 * replay fork, which ends here.
 */
export function continuedRun(
  run: LiveRun,
  versioning: RunVersioning | undefined,
  { seq, name, payload, meta, ops }: NewEvent,
): ContinuedRun | undefined {
  if (run.replay !== undefined) return undefined;
  const { initialVersioningBehavior, contextVersion, ...given } = JSON.parse(meta ?? '{}') as ContinuedMeta;
  const instead = initialVersion(run.versions, versioning, initialVersioningBehavior);
  const place = placeAfter(versioning, 'continued', instead);
  const next = nextRunOf(run.state.workflowType, { ...inheritedMeta(run.state.chain), ...given }, place);
  const version = contextVersion === undefined ? {} : { version: contextVersion };
  const origin: PatchMeta = { ...version, from: { runId: run.runId, seq } };
  const context = ops === null ? null : { ops, meta: JSON.stringify(origin) };
  return { ...next, workflowType: name ?? '', args: payload, context };
}

function initialVersion(
  versions: WorkerVersions | undefined,
  versioning: RunVersioning | undefined,
  initial: InitialVersioningBehavior | undefined,
): WorkerDeploymentVersion | 'current' | undefined {
  const effective = effectiveVersioning(versioning);
  if (initial === undefined || effective === undefined) return undefined;
  const ramping = initial === 'USE_RAMPING_VERSION' ? versions?.routing.ramping?.buildId : undefined;
  return ramping === undefined ? 'current' : { ...effective.version, buildId: ramping };
}

/** The closing event of a run with a retry policy or a schedule, and the run's successor, if there is one. */
export function succeeded(
  { state: { workflowType } }: LiveRun,
  rules: ChainRules,
  versioning: RunVersioning | undefined,
  { at, ...closing }: NewEvent & { readonly at: Micros },
): { closing: NewEvent; continues: ContinuedRun | undefined } {
  const { next, failed } = succession(rules, { ...closing, at });
  const continues = next === undefined ? undefined : nextRunOf(workflowType, next, placeOfNext(next, versioning));
  const meta = failed === undefined ? closing.meta : JSON.stringify(failed);
  return { closing: { ...closing, meta, correlationId: continues?.runId ?? null }, continues };
}
