// What a start does when a run with its workflow id exists. The names are Temporal's.
import { oneOf, type OptionRule } from '../../runtime/core/options/option-table.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { RunStatus } from '../../runtime/core/log/transition.ts';
import { refusedAfter } from '../../runtime/core/run/refused-after.ts';

/** What a start does when a run with the workflow id is open. */
export const WorkflowIdConflictPolicy = {
  /** The start fails. The default. */
  FAIL: 'FAIL',
  /** Returns a handle to the open run; the default of signalWithStart. */
  USE_EXISTING: 'USE_EXISTING',
  /** Terminates the open run first. */
  TERMINATE_EXISTING: 'TERMINATE_EXISTING',
} as const;
export type WorkflowIdConflictPolicy = (typeof WorkflowIdConflictPolicy)[keyof typeof WorkflowIdConflictPolicy];

/** What a start does when the latest run with the workflow id is closed. */
export const WorkflowIdReusePolicy = {
  /** The default. */
  ALLOW_DUPLICATE: 'ALLOW_DUPLICATE',
  /** Allows a start only if that run failed, was cancelled or terminated, or timed out. */
  ALLOW_DUPLICATE_FAILED_ONLY: 'ALLOW_DUPLICATE_FAILED_ONLY',
  REJECT_DUPLICATE: 'REJECT_DUPLICATE',
  /** @deprecated Use ALLOW_DUPLICATE with WorkflowIdConflictPolicy.TERMINATE_EXISTING. */
  TERMINATE_IF_RUNNING: 'TERMINATE_IF_RUNNING',
  // Temporal's older names.
  WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED: undefined,
  WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE: 'ALLOW_DUPLICATE',
  WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY: 'ALLOW_DUPLICATE_FAILED_ONLY',
  WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE: 'REJECT_DUPLICATE',
  WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING: 'TERMINATE_IF_RUNNING',
} as const;
export type WorkflowIdReusePolicy = NonNullable<(typeof WorkflowIdReusePolicy)[keyof typeof WorkflowIdReusePolicy]>;

export interface IdPolicyOptions {
  /** Default ALLOW_DUPLICATE. */
  workflowIdReusePolicy?: WorkflowIdReusePolicy | undefined;
  /** Default FAIL; for signalWithStart USE_EXISTING. */
  workflowIdConflictPolicy?: WorkflowIdConflictPolicy;
}

/** Rules that check these options, for use in tables of options. */
export const idPolicyRules: Readonly<Record<keyof IdPolicyOptions, OptionRule>> = {
  workflowIdReusePolicy: oneOf(WorkflowIdReusePolicy),
  workflowIdConflictPolicy: oneOf(WorkflowIdConflictPolicy),
};

export interface IdPolicies {
  readonly conflict: WorkflowIdConflictPolicy;
  readonly refusedAfter: readonly RunStatus[];
}

/**
 * Combines options that are already checked one by one.
 * @throws INVALID_INPUT for two options that exclude each other
 */
export function idPolicies(options: IdPolicyOptions, conflictDefault: WorkflowIdConflictPolicy): IdPolicies {
  const { workflowIdReusePolicy: reuse = 'ALLOW_DUPLICATE', workflowIdConflictPolicy: given } = options;
  const terminates = reuse === 'TERMINATE_IF_RUNNING';
  if (terminates && given !== undefined) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'workflowIdReusePolicy TERMINATE_IF_RUNNING cannot be combined with a workflowIdConflictPolicy: pass only the workflowIdConflictPolicy.',
    );
  }
  const conflict = terminates ? WorkflowIdConflictPolicy.TERMINATE_EXISTING : (given ?? conflictDefault);
  return { conflict, refusedAfter: refusedAfter[reuse] };
}
