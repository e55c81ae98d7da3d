// Completes activities from outside: calls of `client.activity` about an attempt that was left to a client.
import { randomUUID } from 'node:crypto';
import { CancelledFailure } from '../../../runtime/core/failure/failure.ts';
import { encodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { activitiesNamespace, isQueueOfActivities } from '../../../runtime/core/activity/standalone.ts';
import { decodeTaskToken } from '../../../runtime/core/activity/task-token.ts';
import { thrownMessage } from '../../../runtime/core/failure/thrown-message.ts';
import {
  type AttemptKey,
  beatByClient,
  type ClientOutcome,
  endByClient,
  heirOf,
  findActivity,
  type LoggedActivity,
  readActivity,
} from '../../../runtime/store/activities/async-completion.ts';
import { storeProgress } from '../../../runtime/store/activities/activity-heartbeats.ts';
import { isRunId } from '../../../runtime/store/runs/run-id.ts';
import { findRun, getRun } from '../../../runtime/store/runs/runs.ts';
import { limitReached, waitAtMost, whenAborted } from '../call-limits.ts';
import {
  ActivityCancelledError,
  ActivityCompletionError,
  ActivityNotFoundError,
  ActivityPausedError,
} from '../client-errors.ts';
import { checkConnection, type Connection } from '../../common/connection.ts';
import { checkName, defaultMaxPayloadBytes } from '../encode-arguments.ts';
import { checkOptions, optionTable, unchecked } from '../../../runtime/core/options/option-table.ts';
import { sendMessage, applyStandaloneMail, notifyReader } from '../messages/send-message.ts';

/**
 * An activity of a workflow, or a standalone activity without `workflowId`. Without `runId`, the activity of the latest
 * run is meant.
 */
export interface FullActivityId {
  readonly workflowId?: string;
  readonly runId?: string;
  readonly activityId: string;
}

export interface AsyncCompletionClientOptions {
  readonly connection: Connection;
  readonly namespace?: string;
  /** Limit of one payload in bytes; default 2 MiB. */
  readonly maxPayloadBytes?: number;
}

const clientOptions = optionTable<AsyncCompletionClientOptions>(
  unchecked('connection', 'namespace', 'maxPayloadBytes'),
);
const fullIdParts = optionTable<FullActivityId>(unchecked('workflowId', 'runId', 'activityId'));

/** `activityInfo().taskToken`, or `base64TaskToken` as text. */
export type TaskTokenLike = Uint8Array | string;

/** The first wait between two looks, in ms. */
const firstWaitMs = 5;
const longestWaitMs = 250;
/** How long a call without a deadline waits for the worker that executes the activity. */
const patienceMs = 30_000;

export class AsyncCompletionClient {
  readonly #connection: Connection;
  readonly #namespace: string;
  readonly #maxPayloadBytes: number;

  /** @throws RuntimeError INVALID_INPUT */
  constructor(options: AsyncCompletionClientOptions) {
    checkOptions('AsyncCompletionClient', options, clientOptions);
    checkConnection('AsyncCompletionClient', options.connection);
    this.#connection = options.connection;
    this.#namespace = options.namespace ?? 'default';
    this.#maxPayloadBytes = options.maxPayloadBytes ?? defaultMaxPayloadBytes;
  }

  /**
   * Completes an attempt. When the promise resolves, the result is durable and will be the activity's result.
   * @throws ActivityNotFoundError when the activity does not exist, has ended, or is at another attempt; RuntimeError
   * NOT_SERIALISABLE, PAYLOAD_TOO_LARGE, TIMEOUT
   */
  async complete(activity: TaskTokenLike | FullActivityId, result: unknown): Promise<void> {
    const payload = this.#encoded(result);
    await this.#end(activity, { type: 'ActivityCompleted', payload, reason: null });
  }

  /** Fails an attempt. The retry policy decides whether another attempt follows. @throws as `complete` */
  async fail(activity: TaskTokenLike | FullActivityId, error: unknown): Promise<void> {
    const reason = thrownMessage(error).replaceAll('\0', '\uFFFD').toWellFormed().slice(0, 8_192);
    await this.#end(activity, { type: 'ActivityFailed', payload: encodeFailure(error), reason });
  }

  /**
   * Reports that an attempt has stopped because its cancellation was requested.
   * @throws ActivityCompletionError when nobody requested the cancellation; otherwise as `complete`
   */
  async reportCancellation(activity: TaskTokenLike | FullActivityId, details?: unknown): Promise<void> {
    const failure = new CancelledFailure('CANCELLED', details === undefined ? [] : [details]);
    await this.#end(activity, { type: 'ActivityCancelled', payload: encodeFailure(failure), reason: 'CANCELLED' });
  }

  /**
   * Reports progress: restarts the heartbeat timeout, and stores the details for the next attempt.
   * @throws ActivityCancelledError when the attempt must stop; ActivityPausedError; ActivityNotFoundError
   */
  async heartbeat(activity: TaskTokenLike | FullActivityId, details?: unknown): Promise<void> {
    const payload = this.#encoded(details);
    const key = await this.#find(activity);
    const state = await this.#connection.reach((database) => beatByClient(database, key, payload));
    if (state === 'running') return;
    if (state === 'cancel_requested') throw new ActivityCancelledError('Cancellation of the activity was requested.');
    if (state === 'paused') throw new ActivityPausedError('The activity is paused.');
    // Without a task, either the run's owner executes the activity itself, or the activity has ended.
    const logged = await this.#connection.reach((database) => readActivity(database, key, null));
    if (logged?.isOpen !== true || isPast(key, logged)) throw notFound();
    if (logged.cancelRequested) throw new ActivityCancelledError('Cancellation of the activity was requested.');
    await this.#connection.reach((database) => storeProgress(database, key.runId, key.seq, payload));
  }

  async #end(activity: TaskTokenLike | FullActivityId, outcome: ClientOutcome): Promise<void> {
    const key = await this.#find(activity);
    const until = performance.now() + patienceMs;
    let messageId: string | null = null;
    const noticed = (): string | null => messageId;
    await this.#repeat(noticed, async () => {
      // A message that was sent counts, whatever the activity's state is now.
      const before = messageId;
      const logged = await this.#connection.reach((database) => readActivity(database, key, before));
      if (logged === undefined) throw notFound();
      if (logged.isTaken) return true;
      if (logged.isWaiting) return tooLate(until);
      messageId = null;
      if (!logged.isOpen || isPast(key, logged)) throw notFound();
      const ended = await this.#connection.reach((database) => endByClient(database, key, outcome));
      if (typeof ended !== 'string') {
        if (isQueueOfActivities(ended.queue)) await applyStandaloneMail(this.#connection, ended.runId, ended);
        else notifyReader(this.#connection, ended.runId, ended);
        return true;
      }
      if (ended === 'not_requested') throw notRequested();
      if (ended === 'locked') return false;
      if (outcome.type === 'ActivityCancelled' && !logged.cancelRequested) throw notRequested();
      // The message was refused because the activity changed its state meanwhile, for example while its task was
      // created: try again.
      if (before !== null) return tooLate(until);
      messageId = await this.#ask(key, outcome);
      return false;
    });
  }

  /** Sends the outcome to the run's owner, because the owner executes the activity itself. Returns the message's id. */
  async #ask(key: AttemptKey, outcome: ClientOutcome): Promise<string> {
    const id = randomUUID();
    const { type, payload, reason } = outcome;
    const meta = JSON.stringify({ seq: key.seq, ...(key.attempt === undefined ? {} : { attempt: key.attempt }) });
    const message = { type, payload, correlationId: id, meta, ...(reason === null ? {} : { reason }) };
    const delivery = await sendMessage(this.#connection, key.runId, message);
    if (delivery === undefined) throw notFound();
    return id;
  }

  /** Calls `look` on each notice and at growing intervals until it returns true. */
  async #repeat(noticed: () => string | null, look: () => Promise<boolean>): Promise<void> {
    const abortion = whenAborted();
    try {
      for (let wait = firstWaitMs; !(await look()); wait = Math.min(wait * 2, longestWaitMs)) {
        const reached = limitReached();
        if (reached !== undefined) throw timedOut(reached);
        const subscription = await this.#connection.reach(() =>
          this.#connection.outcomes.subscribe(noticed() ?? randomUUID()),
        );
        await Promise.race([subscription.within(waitAtMost(wait)), abortion.aborted]);
        subscription.done();
      }
    } finally {
      abortion.done();
    }
  }

  /** A token and an id name the run that the attempt began in; a fork may have taken its place. */
  async #present(key: AttemptKey): Promise<AttemptKey> {
    const heir = await this.#connection.reach((database) => heirOf(database, key));
    return heir === undefined ? key : { ...key, runId: heir };
  }

  async #find(activity: TaskTokenLike | FullActivityId): Promise<AttemptKey> {
    if (typeof activity === 'string') return this.#present(decodeTaskToken(Buffer.from(activity, 'base64')));
    if (activity instanceof Uint8Array) return this.#present(decodeTaskToken(activity));
    checkOptions('The id of an activity', activity, fullIdParts);
    const activityId = checkName('activityId', activity.activityId);
    const { runId } = activity;
    const isStandalone = activity.workflowId === undefined;
    const workflowId = isStandalone ? activityId : checkName('workflowId', activity.workflowId);
    const namespace = isStandalone ? activitiesNamespace(this.#namespace) : this.#namespace;
    if (runId !== undefined && !isRunId(runId)) throw notFound();
    const key = await this.#connection.reach(async (database) => {
      const run = await (runId === undefined ? findRun(database, namespace, workflowId) : getRun(database, runId));
      if (run === undefined || run.workflow_id !== workflowId || run.namespace !== namespace) throw notFound();
      const seq = await findActivity(database, run.run_id, activityId);
      if (seq === undefined) throw notFound();
      return { runId: run.run_id, seq, attempt: undefined };
    });
    return this.#present(key);
  }

  #encoded(value: unknown): Uint8Array {
    const payload = encodePayload(value);
    if (payload.length <= this.#maxPayloadBytes) return payload;
    throw new RuntimeError(
      'PAYLOAD_TOO_LARGE',
      `The details or result of an activity have ${payload.length} bytes, the limit is ${this.#maxPayloadBytes}. Pass a reference to the data, or raise maxPayloadBytes.`,
    );
  }
}

/** A later attempt has started. */
function isPast({ attempt }: AttemptKey, logged: LoggedActivity): boolean {
  return attempt !== undefined && attempt < logged.attempt;
}

/** Returns false while there is time to wait. @throws TIMEOUT */
function tooLate(until: number): false {
  if (performance.now() < until) return false;
  throw timedOut('no worker has read it in time');
}

function timedOut(why: string): RuntimeError {
  return new RuntimeError(
    'TIMEOUT',
    `The outcome of the activity was sent, but the worker that executes it has not read it, and ${why}. The worker may still accept it.`,
  );
}

function notFound(): ActivityNotFoundError {
  return new ActivityNotFoundError('Not found: the activity does not exist, has ended, or is at another attempt.');
}

function notRequested(): ActivityCompletionError {
  return new ActivityCompletionError(
    'The activity cannot be reported as cancelled: nobody requested its cancellation.',
  );
}
