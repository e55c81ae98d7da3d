// Checks child workflow options as users write them and converts them to the form of the log. Names are Temporal's.
import type { ChildMeta } from '../../core/run/start-meta.ts';
import { startAttributes } from '../../core/options/attribute-values.ts';
import { memoText } from '../../core/options/memo.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';
import {
  checkOptions,
  oneOf,
  optionTable,
  orNull,
  storableName,
  storableText,
  unchecked,
} from '../../core/options/option-table.ts';
import type {
  SearchAttributePair,
  SearchAttributes,
  TypedSearchAttributes,
} from '../../core/options/search-attributes.ts';
import { startTiming, startTimingRules, type StartTimingOptions } from '../../core/run/start-timing.ts';

/** What a cancelled scope does with its children. */
export const ChildWorkflowCancellationType = {
  /** Send nothing; reject the promise at once. */
  ABANDON: 'ABANDON',
  /** Send the request; reject the promise at once. */
  TRY_CANCEL: 'TRY_CANCEL',
  /** Send the request; reject the promise when the child has received it. */
  WAIT_CANCELLATION_REQUESTED: 'WAIT_CANCELLATION_REQUESTED',
  /** Send the request; settle the promise when the child closes. The default. */
  WAIT_CANCELLATION_COMPLETED: 'WAIT_CANCELLATION_COMPLETED',
} as const;
export type ChildWorkflowCancellationType =
  (typeof ChildWorkflowCancellationType)[keyof typeof ChildWorkflowCancellationType];

/** What happens to a child when its parent closes or continues as new. */
export const ParentClosePolicy = {
  /** The default. */
  TERMINATE: 'TERMINATE',
  ABANDON: 'ABANDON',
  REQUEST_CANCEL: 'REQUEST_CANCEL',
  // Temporal's older names.
  PARENT_CLOSE_POLICY_UNSPECIFIED: undefined,
  PARENT_CLOSE_POLICY_TERMINATE: 'TERMINATE',
  PARENT_CLOSE_POLICY_ABANDON: 'ABANDON',
  PARENT_CLOSE_POLICY_REQUEST_CANCEL: 'REQUEST_CANCEL',
} as const;
export type ParentClosePolicy = NonNullable<(typeof ParentClosePolicy)[keyof typeof ParentClosePolicy]>;

const reusePolicies = {
  ALLOW_DUPLICATE: 'ALLOW_DUPLICATE',
  ALLOW_DUPLICATE_FAILED_ONLY: 'ALLOW_DUPLICATE_FAILED_ONLY',
  REJECT_DUPLICATE: 'REJECT_DUPLICATE',
} as const;

export interface ChildWorkflowOptions extends StartTimingOptions {
  /** Default: a UUID. */
  readonly workflowId?: string;
  /** Default: the parent's task queue. */
  readonly taskQueue?: string;
  readonly cancellationType?: ChildWorkflowCancellationType;
  readonly parentClosePolicy?: ParentClosePolicy | undefined;
  /** Applies when the latest run of the workflow id is closed. Default ALLOW_DUPLICATE. */
  readonly workflowIdReusePolicy?: keyof typeof reusePolicies | undefined;
  readonly memo?: Record<string, unknown>;
  readonly typedSearchAttributes?: TypedSearchAttributes | readonly SearchAttributePair[];
  /** @deprecated Use `typedSearchAttributes`. */
  readonly searchAttributes?: SearchAttributes;
  /** One line and a text for display, stored in the history. */
  readonly staticSummary?: string;
  readonly staticDetails?: string;
  /** Accepted for compatibility with Temporal, and ignored. */
  readonly versioningIntent?: unknown;
  /** Accepted for compatibility with Temporal. Has no effect yet. */
  readonly priority?: unknown;
}

const table = optionTable<ChildWorkflowOptions & { args: unknown }>(
  {
    workflowId: storableName,
    taskQueue: storableName,
    ...unchecked('args', 'memo', 'searchAttributes', 'typedSearchAttributes', 'versioningIntent', 'priority'),
    ...startTimingRules,
    cancellationType: orNull(oneOf(ChildWorkflowCancellationType)),
    parentClosePolicy: orNull(oneOf(ParentClosePolicy)),
    workflowIdReusePolicy: orNull(oneOf(reusePolicies)),
    staticSummary: storableText,
    staticDetails: storableText,
  },
  {},
  'Child workflow option ',
);

export interface CompiledChildOptions {
  readonly workflowId: string | undefined;
  readonly cancellationType: ChildWorkflowCancellationType;
  readonly meta: ChildMeta;
}

/** @throws INVALID_INPUT, ValueError, TypeError */
export function compileChildOptions(options: ChildWorkflowOptions, nowMs: number): CompiledChildOptions {
  checkOptions('A child workflow', options, table);
  const { taskQueue, memo, workflowId, staticSummary, staticDetails } = options;
  if (taskQueue !== undefined) refuseReservedName('task queue', taskQueue);
  const policy = options.parentClosePolicy ?? 'TERMINATE';
  const reuse = options.workflowIdReusePolicy ?? 'ALLOW_DUPLICATE';
  const meta: ChildMeta = {
    ...startTiming(options, nowMs),
    ...(taskQueue === undefined ? {} : { taskQueue }),
    ...(policy === 'TERMINATE' ? {} : { parentClose: policy }),
    ...(reuse === 'ALLOW_DUPLICATE' ? {} : { reuse }),
    ...(memo === undefined ? {} : { memo: JSON.parse(memoText(memo)) as Record<string, unknown> }),
    ...startAttributes(options.searchAttributes, options.typedSearchAttributes),
    ...(staticSummary === undefined ? {} : { staticSummary }),
    ...(staticDetails === undefined ? {} : { staticDetails }),
  };
  return { workflowId, cancellationType: options.cancellationType ?? 'WAIT_CANCELLATION_COMPLETED', meta };
}
