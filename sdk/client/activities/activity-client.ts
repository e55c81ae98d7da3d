// Starts standalone activities and returns handles to them. Standalone activities need no workflow, and no worker with
// workflow code.
import { decodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import {
  CancelledFailure,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
} from '../../../runtime/core/failure/failure.ts';
import { decodePayload } from '../../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { activitiesNamespace } from '../../../runtime/core/activity/standalone.ts';
import { terminateUnowned } from '../../../runtime/store/runs/close-run.ts';
import type { ClosedOutcome } from '../../../runtime/store/sql/database.ts';
import type { ActivityCommand } from '../../../runtime/core/activity/standalone-command.ts';
import type { RunRow } from '../../../runtime/store/runs/run-row.ts';
import { findRun, getRun } from '../../../runtime/store/runs/runs.ts';
import {
  type ActivityExecutionOptions,
  type ActivityUnpauseOptions,
  type ActivityUpdateOptions,
  executionOptions,
  pauseCommand,
  restoreCommand,
  unpauseCommand,
  updateCommand,
} from './activity-commands.ts';
import {
  type ActivityExecutionDescription,
  type ActivityExecutionInfo,
  activityInfoOf,
  describeActivity,
} from './activity-execution.ts';
import { type StandaloneActivityOptions, newActivityOf } from './standalone-options.ts';
import { AsyncCompletionClient, type AsyncCompletionClientOptions } from './async-completion-client.ts';
import {
  ActivityExecutionAlreadyStartedError,
  ActivityExecutionFailedError,
  ActivityNotFoundError,
  WorkflowExecutionAlreadyStartedError,
} from '../client-errors.ts';
import type { Connection } from '../../common/connection.ts';
import { checkName, checkReason, checkRunId, defaultMaxPayloadBytes } from '../encode-arguments.ts';
import { idPolicies } from '../id-policies.ts';
import { asQueryable } from '../new-run.ts';
import { placeRun } from '../place-run.ts';
import { rowOf, whenFree } from '../when-free.ts';
import { type CountWorkflowExecution, countExecutions, listedRows } from '../run-list.ts';
import { sendMessage } from '../messages/send-message.ts';

type AnyFunction = (...args: never[]) => unknown;
type FunctionNames<T> = { [K in keyof T]: T[K] extends AnyFunction ? K : never }[keyof T] & string;
type ResultOf<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;
type ArgumentsOf<F> = F extends (...args: infer A) => unknown ? A : never;
/** Options with typed `args`. `args` is optional for a function without parameters. */
type TypedOptions<F> = Omit<StandaloneActivityOptions, 'args'> &
  ([] extends ArgumentsOf<F> ? { args?: Readonly<ArgumentsOf<F>> } : { args: Readonly<ArgumentsOf<F>> });

/** A client that knows the names, arguments and results of the activities `T`. */
export interface TypedActivityClient<T> {
  start<K extends FunctionNames<T>>(activity: K, options: TypedOptions<T[K]>): Promise<ActivityHandle<ResultOf<T[K]>>>;
  execute<K extends FunctionNames<T>>(activity: K, options: TypedOptions<T[K]>): Promise<ResultOf<T[K]>>;
}

export class ActivityClient extends AsyncCompletionClient {
  readonly #connection: Connection;
  readonly #namespace: string;
  readonly #maxPayloadBytes: number;

  /** @throws RuntimeError INVALID_INPUT */
  constructor(options: AsyncCompletionClientOptions) {
    super(options);
    this.#connection = options.connection;
    this.#namespace = options.namespace ?? 'default';
    this.#maxPayloadBytes = options.maxPayloadBytes ?? defaultMaxPayloadBytes;
  }

  /** The same client with types: the compiler checks names, arguments and results against the functions of `T`. */
  typed<T>(): TypedActivityClient<T> {
    return this;
  }

  /**
   * Starts a standalone activity. The start is durable when the promise resolves.
   * @throws ActivityExecutionAlreadyStartedError, RuntimeError INVALID_INPUT, NOT_SERIALISABLE, PAYLOAD_TOO_LARGE
   */
  async start<R = unknown>(activity: string, options: StandaloneActivityOptions): Promise<ActivityHandle<R>> {
    const namespace = this.#namespace;
    const { timing, ...run } = newActivityOf(activity, options, { namespace, maxPayloadBytes: this.#maxPayloadBytes });
    const { idReusePolicy = 'ALLOW_DUPLICATE', idConflictPolicy = 'FAIL', transaction } = options;
    const given = { workflowIdReusePolicy: idReusePolicy, workflowIdConflictPolicy: idConflictPolicy };
    try {
      const runId = await placeRun(this.#connection, run, {
        policies: idPolicies(given, 'FAIL'),
        transaction: transaction === undefined ? undefined : asQueryable(transaction),
        timing,
        terminate: () => Promise.resolve(),
      });
      return this.#handle<R>(run.workflowId, runId);
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      throw alreadyStarted(await this.#run(run.workflowId, undefined));
    }
  }

  /** Starts an activity and waits for its result. @throws as `start`, and as `result` of the handle */
  async execute<R = unknown>(activity: string, options: StandaloneActivityOptions): Promise<R> {
    const handle = await this.start<R>(activity, options);
    return handle.result();
  }

  /** A handle to the latest run of an activity id, or to one run. Makes no call. @throws RuntimeError INVALID_INPUT */
  getHandle<R = unknown>(activityId: string, runId?: string): ActivityHandle<R> {
    const id = checkName('activityId', activityId);
    if (runId !== undefined) checkRunId(runId);
    return this.#handle<R>(id, runId);
  }

  /**
   * The standalone activities of this namespace, newest first unless the query has ORDER BY. The query language is that
   * of `workflow.list`, with the additional fields ActivityId and ActivityType.
   * @throws RuntimeError INVALID_INPUT
   */
  async *list(query = ''): AsyncGenerator<ActivityExecutionInfo, void, undefined> {
    const text = await runQuery(query);
    const place = activitiesNamespace(this.#namespace);
    for await (const row of listedRows(this.#connection, place, text, pageSize)) yield activityInfoOf(row);
  }

  /** The number of activities that match a query. Without a query, counts all. @throws RuntimeError INVALID_INPUT */
  async count(query = ''): Promise<CountWorkflowExecution> {
    return countExecutions(this.#connection, activitiesNamespace(this.#namespace), await runQuery(query));
  }

  #handle<R>(activityId: string, runId: string | undefined): ActivityHandle<R> {
    return new ActivityHandle<R>({
      client: this,
      connection: this.#connection,
      activityId,
      runId,
      run: () => this.#run(activityId, runId),
    });
  }

  async #run(activityId: string, runId: string | undefined): Promise<RunRow> {
    const place = activitiesNamespace(this.#namespace);
    const run = await this.#connection.reach((database) =>
      runId === undefined ? findRun(database, place, activityId) : getRun(database, runId),
    );
    if (run !== undefined && run.namespace === place && run.workflow_id === activityId) return run;
    throw new ActivityNotFoundError(
      `activity not found for ID: ${activityId}${runId === undefined ? '' : ` (run ${runId})`}. Check the id, or list the activities.`,
    );
  }
}

function alreadyStarted({ workflow_id: id, run_id: runId, closed_at: closedAt }: RunRow): Error {
  const whose = closedAt === null ? 'an open activity' : 'a closed one, and the idReusePolicy allows no other';
  const message = `Activity execution already started: id "${id}" belongs to ${whose}. Use another id, or getHandle() to reach it.`;
  return new ActivityExecutionAlreadyStartedError(message, id, runId);
}

interface HandleParts {
  readonly client: ActivityClient;
  readonly connection: Connection;
  readonly activityId: string;
  readonly runId: string | undefined;
  run(): Promise<RunRow>;
}

export class ActivityHandle<R = unknown> {
  readonly client: ActivityClient;
  readonly activityId: string;
  /** Undefined for a handle to an activity id's latest run. */
  readonly runId: string | undefined;
  readonly #parts: HandleParts;

  /** @internal */
  constructor(parts: HandleParts) {
    this.client = parts.client;
    this.activityId = parts.activityId;
    this.runId = parts.runId;
    this.#parts = parts;
  }

  /** Waits for the activity's result. @throws ActivityExecutionFailedError, ActivityNotFoundError */
  async result(): Promise<R> {
    const { connection } = this.#parts;
    const { run_id: runId } = await this.#parts.run();
    const outcome = await connection.reach(() => connection.outcomes.outcome(runId));
    if (outcome.type === 'WorkflowCompleted') {
      return (outcome.payload === null ? undefined : decodePayload(outcome.payload)) as R;
    }
    throw new ActivityExecutionFailedError('Activity execution failed', causeOf(outcome), this.activityId, runId);
  }

  /** @throws ActivityNotFoundError */
  async describe(): Promise<ActivityExecutionDescription> {
    const run = await this.#parts.run();
    return this.#parts.connection.reach((database) => describeActivity(database, run));
  }

  /**
   * Requests cancellation. If no worker executes the activity, it is cancelled when the promise resolves.
   * @throws ActivityNotFoundError when the activity is not open
   */
  async cancel(reason?: string): Promise<void> {
    const given = reason === undefined ? {} : { reason: checkReason('cancel', reason) };
    const message = { type: 'WorkflowCancelRequested', ...given } as const;
    const { run_id: runId } = await this.#parts.run();
    const { connection } = this.#parts;
    if ((await sendMessage(connection, runId, message)) === undefined) throw this.#closed(runId);
    const { applyMail } = await import('../../../runtime/store/activities/command-activity.ts');
    await whenFree(connection, rowOf(runId), (database) => applyMail(database, runId));
  }

  /**
   * Closes the activity, even while an attempt runs; needs no worker.
   * @throws ActivityNotFoundError when the activity is not open
   */
  async terminate(reason?: string): Promise<void> {
    const text = reason === undefined ? null : checkReason('terminate', reason);
    const { run_id: runId } = await this.#parts.run();
    const result = await whenFree(this.#parts.connection, rowOf(runId), (database) =>
      terminateUnowned(database, runId, text),
    );
    if (result !== 'ended') throw this.#closed(runId);
  }

  /**
   * Pauses the activity: no new attempt starts. A running attempt learns of the pause through its heartbeats and may
   * still complete. If it stops because of the pause, that does not count as a failed attempt, and another attempt
   * starts after `unpause`. The pause has taken effect when the promise resolves. A second pause changes nothing. The
   * log keeps `reason`.
   * @throws ActivityNotFoundError when the activity is not open; RuntimeError ILLEGAL_STATE when it is being cancelled
   */
  async pause(reason?: string): Promise<void> {
    await this.#command(pauseCommand(reason));
  }

  /**
   * Ends a pause: the next attempt starts when its back-off is over. An attempt that kept running is not affected. If
   * the activity is not paused, nothing changes.
   * @throws as `pause`; RuntimeError INVALID_INPUT
   */
  async unpause(options: ActivityUnpauseOptions = {}): Promise<void> {
    await this.#command(unpauseCommand(options));
  }

  /**
   * Changes options, also for a running attempt. Returns all options after the change.
   * @throws as `pause`; RuntimeError INVALID_INPUT
   */
  async updateOptions(options: ActivityUpdateOptions): Promise<ActivityExecutionOptions> {
    return this.#command(updateCommand(options));
  }

  /** Restores the options that the activity was started with, and returns them. @throws as `pause` */
  async restoreOriginalOptions(): Promise<ActivityExecutionOptions> {
    return this.#command(restoreCommand());
  }

  async #command(command: ActivityCommand): Promise<ActivityExecutionOptions> {
    const { run_id: runId } = await this.#parts.run();
    // Imported on demand, so that clients without standalone activities do not load the code that applies commands.
    const { commandActivity } = await import('../../../runtime/store/activities/command-activity.ts');
    const controls = await whenFree(this.#parts.connection, rowOf(runId), (database) =>
      commandActivity(database, runId, command),
    );
    if (controls === undefined) throw this.#closed(runId);
    return executionOptions(controls);
  }

  #closed(runId: string): ActivityNotFoundError {
    return new ActivityNotFoundError(`activity execution already completed: ${this.activityId} (run ${runId}).`);
  }
}

const pageSize = 100;

/**
 * Replaces names of activity fields by those of run fields. Both have the same length, so positions in errors stay
 * right.
 */
async function runQuery(query: string): Promise<string> {
  if (typeof query !== 'string') throw new RuntimeError('INVALID_INPUT', `query must be text, got ${typeof query}.`);
  const { tokens } = await import('../../../runtime/store/visibility/visibility-token.ts');
  let text = query;
  for (const { kind, value, position } of tokens(query)) {
    if (kind !== 'word' || (value !== 'ActivityId' && value !== 'ActivityType')) continue;
    text = text.slice(0, position) + value.replace('Activity', 'Workflow') + text.slice(position + value.length);
  }
  return text;
}

function causeOf({ type, payload, reason }: ClosedOutcome): Error {
  if (payload !== null) return decodeFailure(payload);
  switch (type) {
    case 'WorkflowTerminated':
      return new TerminatedFailure(reason ?? 'Activity execution terminated');
    case 'WorkflowCancelled':
      return new CancelledFailure('Activity cancelled');
    default:
      // The deadline passed before the activity was first scheduled.
      return new TimeoutFailure('activity ScheduleToStart timeout', undefined, TimeoutType.SCHEDULE_TO_START);
  }
}
