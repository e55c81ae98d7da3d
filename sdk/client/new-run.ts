// Options of a start, and the run that is built from them.
import { type Duration, optionMs } from '../../runtime/core/options/duration.ts';
import { refuseReservedName } from '../../runtime/core/options/reserved-name.ts';
import { startMeta, type StartedMeta } from '../../runtime/core/run/start-meta.ts';
import { startAttributes } from '../../runtime/core/options/attribute-values.ts';
import { type StartTiming, timingOfStart } from '../../runtime/core/run/chain.ts';
import { effectiveVersioning, prefixOf, queueKey, type VersioningOverride } from '../../runtime/core/run/deployment.ts';
import { memoText } from '../../runtime/core/options/memo.ts';
import type { PropertiesMeta } from '../../runtime/core/run/run-properties.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type {
  SearchAttributePair,
  SearchAttributes,
  TypedSearchAttributes,
} from '../../runtime/core/options/search-attributes.ts';
import { startTiming, startTimingRules, type StartTimingOptions } from '../../runtime/core/run/start-timing.ts';
import { workflowNameOf } from '../../runtime/core/options/workflow-name.ts';
import { newRunId, newSeed } from '../../runtime/store/runs/run-id.ts';
import type { Queryable } from '../../runtime/store/sql/queryable.ts';
import type { NewRun } from '../../runtime/store/runs/start-run.ts';
import { checkOverride } from '../worker/deployment-version.ts';
import { asInvalidInput } from '../common/invalid-input.ts';
import { checkName, encodeArguments } from './encode-arguments.ts';
import type { Workflow } from './execution-info.ts';
import { type IdPolicyOptions, idPolicyRules } from './id-policies.ts';
import {
  argumentList,
  checkOptions,
  duration,
  notYet,
  optionTable,
  storableText,
  unchecked,
} from '../../runtime/core/options/option-table.ts';

export interface CommonStartOptions extends IdPolicyOptions, StartTimingOptions {
  /** The caller's business key. Only one open run can have it. */
  workflowId: string;
  taskQueue: string;
  /** Stored as JSON. An open run that is used instead of a new one (USE_EXISTING, signalWithStart) keeps its own memo. */
  memo?: Record<string, unknown>;
  /** Lists of values by name. Their types are inferred: text is TEXT. Prefer `typedSearchAttributes`. */
  searchAttributes?: SearchAttributes;
  /**
   * Values to find the run by. They take precedence over `searchAttributes` with the same name. An open run keeps its
   * own, as for `memo`.
   */
  typedSearchAttributes?: TypedSearchAttributes | readonly SearchAttributePair[];
  /** One line for people to read; `describe()` returns it. */
  staticSummary?: string;
  /** A longer text for people to read. */
  staticDetails?: string;
  /** Whether `result()` waits for the successors of the run; default true. */
  followRuns?: boolean;
  /**
   * Delay of the run's first task, ms or '10s'. A message to the run ends the delay early. Not allowed with
   * cronSchedule.
   */
  startDelay?: Duration;
  /** Overrides the worker deployment version for the run and its successors, whatever the run's code declares. */
  versioningOverride?: VersioningOverride;
  /**
   * Starts inside this transaction: the run exists if and only if the transaction commits. Accepts a Kysely transaction,
   * or any object with `query(text, values)`, such as a pg client.
   */
  transaction?: Queryable | KyselyTransaction;
}

/** A workflow named by text accepts any arguments. A workflow with a known type accepts its own. */
export type StartArguments<W extends Workflow> = [Parameters<W>, never[]] extends [never[], Parameters<W>]
  ? { args?: readonly unknown[] }
  : [] extends Parameters<W>
    ? { args?: Readonly<Parameters<W>> }
    : { args: Readonly<Parameters<W>> };

export type WorkflowStartOptions<W extends Workflow = Workflow> = CommonStartOptions & StartArguments<W>;

/** The part of a Kysely transaction that we use. */
export interface KyselyTransaction {
  executeQuery(query: {
    sql: string;
    parameters: readonly unknown[];
    query: unknown;
    queryId: unknown;
  }): Promise<{ rows: unknown[] }>;
}

const startOptions = optionTable<WorkflowStartOptions>(
  {
    ...unchecked(
      'workflowId',
      'taskQueue',
      'memo',
      'searchAttributes',
      'typedSearchAttributes',
      'followRuns',
      'transaction',
      'versioningOverride',
    ),
    args: argumentList,
    ...startTimingRules,
    ...idPolicyRules,
    staticSummary: storableText,
    staticDetails: storableText,
    startDelay: duration,
  },
  { [notYet]: ['eventGroups', 'priority', 'requestEagerStart', 'signal', 'signalArgs', 'typeInfo'] },
);

/** A run with its delay and deadline. */
export interface TimedRun extends NewRun {
  readonly timing: StartTiming;
}

/** @throws INVALID_INPUT, NOT_SERIALISABLE, PAYLOAD_TOO_LARGE, TypeError for a reserved name */
export function newRunOf<W extends Workflow>(
  workflow: W | string,
  options: WorkflowStartOptions<W>,
  { namespace, maxPayloadBytes }: { readonly namespace: string; readonly maxPayloadBytes: number },
): TimedRun {
  checkOptions('workflow.start', options, startOptions);
  const workflowType = checkName('The workflow type', workflowNameOf('workflow.start', workflow));
  const workflowId = checkName('workflowId', options.workflowId);
  const taskQueue = checkName('taskQueue', options.taskQueue);
  refuseReservedName('workflow', workflowType);
  refuseReservedName('task queue', taskQueue);
  const properties = propertiesOf(options, maxPayloadBytes);
  const { staticSummary, staticDetails, versioningOverride: override } = options;
  const delayMs = optionMs('startDelay', options.startDelay ?? 0);
  const meta = startMeta({ workflowId, taskQueue, namespace }, newSeed(), {
    ...properties,
    ...(staticSummary === undefined ? {} : { staticSummary }),
    ...(staticDetails === undefined ? {} : { staticDetails }),
    ...timingOf(options),
    ...(delayMs === 0 ? {} : { startDelayMs: delayMs }),
    ...(override === undefined ? {} : { versioningOverride: checkOverride(override) }),
  });
  const prefix = override === undefined ? '' : prefixOf(effectiveVersioning(meta));
  return {
    timing: timingOfStart(meta),
    runId: newRunId(),
    namespace,
    workflowId,
    workflowType,
    taskQueue,
    queue: prefix + queueKey(namespace, taskQueue),
    properties: properties === undefined ? null : JSON.stringify(properties),
    args: encodeArguments(`workflow ${workflowType}`, options.args ?? [], maxPayloadBytes),
    meta: JSON.stringify(meta),
  };
}

function timingOf(options: StartTimingOptions & { readonly startDelay?: Duration }): Partial<StartedMeta> {
  if (options.cronSchedule && options.startDelay !== undefined) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'startDelay cannot be combined with cronSchedule, which decides when the run starts. Leave startDelay out.',
    );
  }
  return asInvalidInput(() => startTiming(options, Date.now()));
}

/**
 * Memo and search attributes; undefined when the run has none, as most runs.
 * @throws INVALID_INPUT, PAYLOAD_TOO_LARGE
 */
export function propertiesOf(
  {
    memo,
    searchAttributes,
    typedSearchAttributes,
  }: Pick<CommonStartOptions, 'memo' | 'searchAttributes' | 'typedSearchAttributes'>,
  maxPayloadBytes: number,
): PropertiesMeta | undefined {
  if (memo === undefined && searchAttributes === undefined && typedSearchAttributes === undefined) return undefined;
  const properties: PropertiesMeta = {};
  if (memo !== undefined) properties.memo = JSON.parse(memoText(memo)) as Record<string, unknown>;
  Object.assign(
    properties,
    asInvalidInput(() => startAttributes(searchAttributes, typedSearchAttributes)),
  );
  const bytes = Buffer.byteLength(JSON.stringify(properties));
  if (bytes > maxPayloadBytes) {
    throw new RuntimeError(
      'PAYLOAD_TOO_LARGE',
      `Memo and search attributes have ${bytes} bytes, the limit is ${maxPayloadBytes}. Store less in them, or raise maxPayloadBytes.`,
    );
  }
  return properties;
}

/** @throws INVALID_INPUT */
export function asQueryable(given: Queryable | KyselyTransaction): Queryable {
  const transaction: Partial<Queryable & KyselyTransaction> = Object(given);
  if (typeof transaction.executeQuery === 'function') {
    const kysely = given as KyselyTransaction;
    return {
      query: async (text, values) => {
        const query = { kind: 'RawNode', sqlFragments: [text], parameters: [] };
        return kysely.executeQuery({ sql: text, parameters: values, query, queryId: { queryId: newRunId() } });
      },
    };
  }
  if (typeof transaction.query === 'function') return given as Queryable;
  throw new RuntimeError(
    'INVALID_INPUT',
    'transaction must be a pg client, a Kysely transaction, or have query(text, values).',
  );
}
