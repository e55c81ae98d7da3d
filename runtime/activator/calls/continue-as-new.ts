// Continue-as-new: the run closes, and a new run of the workflow id starts with new arguments and an empty history.
// Names are Temporal's (behavior 50 in docs/behaviors.md).
import { type Duration, optionMs } from '../../core/options/duration.ts';
import type { NewEvent } from '../../core/log/event.ts';
import type { ContinuedMeta } from '../../core/run/start-meta.ts';
import { startAttributes } from '../../core/options/attribute-values.ts';
import { InitialVersioningBehavior } from '../../core/run/deployment.ts';
import { memoText } from '../../core/options/memo.ts';
import { encodePayload } from '../../core/payload/payload.ts';
import type {
  SearchAttributePair,
  SearchAttributes,
  TypedSearchAttributes,
} from '../../core/options/search-attributes.ts';
import { startTiming } from '../../core/run/start-timing.ts';
import { currentRun } from '../run/current-run.ts';
import { checkOptions, oneOf, optionTable, storableName, unchecked } from '../../core/options/option-table.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';

export interface ContinueAsNewOptions {
  /** Default: the same type. */
  readonly workflowType?: string;
  /** Default: the same task queue. */
  readonly taskQueue?: string;
  /** Limit of the new run. Default: the limit of this run. */
  readonly workflowRunTimeout?: Duration;
  /** Recorded only, as in the options of a start. */
  readonly workflowTaskTimeout?: Duration;
  /** Default: the current memo. */
  readonly memo?: Record<string, unknown>;
  /**
   * Replace the current search attributes. If a name occurs in the typed and in the untyped form, the typed value
   * counts.
   */
  readonly searchAttributes?: SearchAttributes;
  readonly typedSearchAttributes?: TypedSearchAttributes | readonly SearchAttributePair[];
  /** Delay of the new run's first task, ms or '10s'. A message ends the delay. */
  readonly backoffStartInterval?: Duration;
  /**
   * `carry`, the default: the new run begins with the current context document. `fresh`: it begins with the initial
   * document.
   */
  readonly context?: 'carry' | 'fresh';
  /** The build on which the new run begins. Default: the same build when this run is pinned. */
  readonly initialVersioningBehavior?: InitialVersioningBehavior;
  /** Accepted for compatibility with Temporal, and ignored. */
  readonly versioningIntent?: unknown;
}

const table = optionTable<ContinueAsNewOptions>(
  {
    workflowType: storableName,
    taskQueue: storableName,
    ...unchecked(
      'workflowRunTimeout',
      'workflowTaskTimeout',
      'memo',
      'searchAttributes',
      'typedSearchAttributes',
      'backoffStartInterval',
      'versioningIntent',
    ),
    context: oneOf({ carry: 'carry', fresh: 'fresh' }),
    initialVersioningBehavior: oneOf(InitialVersioningBehavior),
  },
  {},
  'continueAsNew: ',
);

export interface Continuation {
  readonly workflowType: string;
  readonly payload: Uint8Array;
  readonly meta: string;
  readonly carriesContext: boolean;
}

/** The columns of WorkflowContinuedAsNew. The worker passes the carried context to the new run. */
export function continuedColumns(
  { workflowType: name, payload, meta }: Continuation,
  carried: { readonly ops: string; readonly version: number } | undefined,
): Partial<NewEvent> {
  if (carried === undefined) return { name, payload, meta };
  const { ops, version } = carried;
  if (version === 1) return { name, payload, meta, ops };
  const versioned: ContinuedMeta = { ...(JSON.parse(meta) as ContinuedMeta), contextVersion: version };
  return { name, payload, meta: JSON.stringify(versioned), ops };
}

/** Thrown to end the run. Code that catches it must rethrow it. */
export class ContinueAsNew extends Error {
  readonly #continuation: Continuation;

  constructor(continuation: Continuation) {
    super('Workflow continued as new');
    this.name = 'ContinueAsNew';
    this.#continuation = continuation;
  }

  static continuationOf(thrown: unknown): Continuation | undefined {
    return thrown instanceof ContinueAsNew ? thrown.#continuation : undefined;
  }
}

type Workflow = (...args: never[]) => Promise<unknown>;

/** 0 keeps a timeout as it is. */
function timeoutsOf({ workflowRunTimeout, workflowTaskTimeout }: ContinueAsNewOptions): Partial<ContinuedMeta> {
  const run = workflowRunTimeout === undefined ? {} : { workflowRunTimeout };
  const task = workflowTaskTimeout === undefined ? {} : { workflowTaskTimeout };
  return startTiming({ ...run, ...task }, 0);
}

function metaOf(options: ContinueAsNewOptions): ContinuedMeta {
  const { taskQueue } = options;
  if (taskQueue !== undefined) refuseReservedName('task queue', taskQueue);
  const meta: ContinuedMeta = taskQueue === undefined ? {} : { taskQueue };
  if (options.memo !== undefined) meta.memo = JSON.parse(memoText(options.memo)) as Record<string, unknown>;
  Object.assign(meta, timeoutsOf(options));
  Object.assign(meta, startAttributes(options.searchAttributes, options.typedSearchAttributes));
  if (options.backoffStartInterval !== undefined) {
    const delay = optionMs('backoffStartInterval', options.backoffStartInterval);
    if (delay > 0) meta.startDelayMs = delay;
  }
  const { initialVersioningBehavior: initial } = options;
  if (initial !== undefined) meta.initialVersioningBehavior = initial;
  return meta;
}

/**
 * Returns a function that ends the calling run and starts another one with the arguments it receives. The returned
 * function always throws.
 */
export function makeContinueAsNewFunc<W extends Workflow>(
  options: ContinueAsNewOptions = {},
): (...args: Parameters<W>) => Promise<never> {
  checkOptions('continueAsNew', options, table);
  const { context = 'carry', workflowType } = options;
  if (workflowType !== undefined) refuseReservedName('workflow', workflowType);
  const meta = JSON.stringify(metaOf(options));
  return (...args) => {
    const run = currentRun('continueAsNew');
    run.turn.assertWritable();
    throw new ContinueAsNew({
      workflowType: workflowType ?? run.info.workflowType,
      payload: encodePayload(args),
      meta,
      carriesContext: context === 'carry',
    });
  };
}

/** Ends this run and starts another one of the same type with these arguments. Always throws. */
export function continueAsNew<W extends Workflow>(...args: Parameters<W>): Promise<never> {
  return makeContinueAsNewFunc<W>()(...args);
}
