// Completing activities from outside: what `client.activity` does to an attempt that its activity has left to others.
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
import { sendMessage, settleMail, tellReader } from '../send-message.ts';

/** An activity of a workflow, or without `workflowId` a standalone one; without `runId` of the latest run. */
export interface FullActivityId {
  readonly workflowId?: string;
  readonly runId?: string;
  readonly activityId: string;
}

export interface AsyncCompletionClientOptions {
  readonly connection: Connection;
  readonly namespace?: string;
  /** Limit of one payload; default 2 MiB. */
  readonly maxPayloadBytes?: number;
}

const clientOptions = optionTable<AsyncCompletionClientOptions>(
  unchecked('connection', 'namespace', 'maxPayloadBytes'),
);
const fullIdParts = optionTable<FullActivityId>(unchecked('workflowId', 'runId', 'activityId'));

/** `activityInfo().taskToken`, or the text of `base64TaskToken`. */
export type TaskTokenLike = Uint8Array | string;

/** How long to wait between looks, ms. */
const firstWaitMs = 5;
const longestWaitMs = 250;
/** How long a caller without a deadline waits for the worker that executes the activity. */
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
   * Completes an attempt; the result is durable, and will be the activity's, when the promise resolves.
   * @throws ActivityNotFoundError when there is none, it has ended, or another attempt has begun; RuntimeError
   * NOT_SERIALISABLE, PAYLOAD_TOO_LARGE, TIMEOUT
   */
  async complete(activity: TaskTokenLike | FullActivityId, result: unknown): Promise<void> {
    const payload = this.#encoded(result);
    await this.#end(activity, { type: 'ActivityCompleted', payload, reason: null });
  }

  /** Fails an attempt; it may be tried again, as its retry policy says. @throws as `complete` */
  async fail(activity: TaskTokenLike | FullActivityId, error: unknown): Promise<void> {
    const reason = thrownMessage(error).replaceAll('\0', '\uFFFD').toWellFormed().slice(0, 8_192);
    await this.#end(activity, { type: 'ActivityFailed', payload: encodeFailure(error), reason });
  }

  /**
   * Reports that an attempt has stopped as it was asked to.
   * @throws ActivityCompletionError when nobody asked for it; otherwise as `complete`
   */
  async reportCancellation(activity: TaskTokenLike | FullActivityId, details?: unknown): Promise<void> {
    const failure = new CancelledFailure('CANCELLED', details === undefined ? [] : [details]);
    await this.#end(activity, { type: 'ActivityCancelled', payload: encodeFailure(failure), reason: 'CANCELLED' });
  }

  /**
   * Reports progress, which puts the heartbeat timeout off and is there for the next attempt.
   * @throws ActivityCancelledError when the attempt is to stop; ActivityPausedError; ActivityNotFoundError
   */
  async heartbeat(activity: TaskTokenLike | FullActivityId, details?: unknown): Promise<void> {
    const payload = this.#encoded(details);
    const key = await this.#find(activity);
    const state = await this.#connection.reach((database) => beatByClient(database, key, payload));
    if (state === 'running') return;
    if (state === 'cancel_requested') throw new ActivityCancelledError('The activity is to be cancelled.');
    if (state === 'paused') throw new ActivityPausedError('The activity is paused.');
    // Without a task it is executed by its run's owner just now, or it is over.
    const logged = await this.#connection.reach((database) => readActivity(database, key, null));
    if (logged?.isOpen !== true || isPast(key, logged)) throw notFound();
    if (logged.cancelRequested) throw new ActivityCancelledError('The activity is to be cancelled.');
    await this.#connection.reach((database) => storeProgress(database, key.runId, key.seq, payload));
  }

  async #end(activity: TaskTokenLike | FullActivityId, outcome: ClientOutcome): Promise<void> {
    const key = await this.#find(activity);
    const until = performance.now() + patienceMs;
    let messageId: string | null = null;
    const noticed = (): string | null => messageId;
    await this.#repeat(noticed, async () => {
      // A message that was sent counts, whatever has come since.
      const before = messageId;
      const logged = await this.#connection.reach((database) => readActivity(database, key, before));
      if (logged === undefined) throw notFound();
      if (logged.isTaken) return true;
      if (logged.isWaiting) return tooLate(until);
      messageId = null;
      if (!logged.isOpen || isPast(key, logged)) throw notFound();
      const ended = await this.#connection.reach((database) => endByClient(database, key, outcome));
      if (typeof ended !== 'string') {
        if (isQueueOfActivities(ended.queue)) await settleMail(this.#connection, ended.runId, ended);
        else tellReader(this.#connection, ended.runId, ended);
        return true;
      }
      if (ended === 'not_requested') throw notRequested();
      if (ended === 'locked') return false;
      if (outcome.type === 'ActivityCancelled' && !logged.cancelRequested) throw notRequested();
      // A message that did not count found the activity between two states: a task was being made of it, for example.
      if (before !== null) return tooLate(until);
      messageId = await this.#ask(key, outcome);
      return false;
    });
  }

  /** Tells the owner of the run, which executes the activity itself. Returns the id of the message. */
  async #ask(key: AttemptKey, outcome: ClientOutcome): Promise<string> {
    const id = randomUUID();
    const { type, payload, reason } = outcome;
    const meta = JSON.stringify({ seq: key.seq, ...(key.attempt === undefined ? {} : { attempt: key.attempt }) });
    const message = { type, payload, correlationId: id, meta, ...(reason === null ? {} : { reason }) };
    const delivery = await sendMessage(this.#connection, key.runId, message);
    if (delivery === undefined) throw notFound();
    return id;
  }

  /** Looks until `look` is done: whenever there is a notice, and now and then. */
  async #repeat(noticed: () => string | null, look: () => Promise<boolean>): Promise<void> {
    const abortion = whenAborted();
    try {
      for (let wait = firstWaitMs; !(await look()); wait = Math.min(wait * 2, longestWaitMs)) {
        const reached = limitReached();
        if (reached !== undefined) throw timedOut(reached);
        const told = await this.#connection.reach(() => this.#connection.outcomes.told(noticed() ?? randomUUID()));
        await Promise.race([told.within(waitAtMost(wait)), abortion.aborted]);
        told.done();
      }
    } finally {
      abortion.done();
    }
  }

  async #find(activity: TaskTokenLike | FullActivityId): Promise<AttemptKey> {
    if (typeof activity === 'string') return decodeTaskToken(Buffer.from(activity, 'base64'));
    if (activity instanceof Uint8Array) return decodeTaskToken(activity);
    checkOptions('The id of an activity', activity, fullIdParts);
    const activityId = checkName('activityId', activity.activityId);
    const { runId } = activity;
    const isStandalone = activity.workflowId === undefined;
    const workflowId = isStandalone ? activityId : checkName('workflowId', activity.workflowId);
    const namespace = isStandalone ? activitiesNamespace(this.#namespace) : this.#namespace;
    if (runId !== undefined && !isRunId(runId)) throw notFound();
    return this.#connection.reach(async (database) => {
      const run = await (runId === undefined ? findRun(database, namespace, workflowId) : getRun(database, runId));
      if (run === undefined || run.workflow_id !== workflowId || run.namespace !== namespace) throw notFound();
      const seq = await findActivity(database, run.run_id, activityId);
      if (seq === undefined) throw notFound();
      return { runId: run.run_id, seq, attempt: undefined };
    });
  }

  #encoded(value: unknown): Uint8Array {
    const payload = encodePayload(value);
    if (payload.length <= this.#maxPayloadBytes) return payload;
    throw new RuntimeError(
      'PAYLOAD_TOO_LARGE',
      `What an activity was given has ${payload.length} bytes, the limit is ${this.#maxPayloadBytes}. Pass a reference to the data, or raise maxPayloadBytes.`,
    );
  }
}

/** Another attempt has begun since. */
function isPast({ attempt }: AttemptKey, logged: LoggedActivity): boolean {
  return attempt !== undefined && attempt < logged.attempt;
}

/** False while there is time to wait. */
function tooLate(until: number): false {
  if (performance.now() < until) return false;
  throw timedOut('no worker has taken it');
}

function timedOut(why: string): RuntimeError {
  return new RuntimeError(
    'TIMEOUT',
    `The outcome of an activity is sent and not yet taken by the worker that executes it, and ${why}. It may still be taken.`,
  );
}

function notFound(): ActivityNotFoundError {
  return new ActivityNotFoundError(
    'Not found: there is no such activity, it has ended, or another attempt of it has begun.',
  );
}

function notRequested(): ActivityCompletionError {
  return new ActivityCompletionError('The activity cannot be reported cancelled: nobody asked for its cancellation.');
}
