// The part of a handle that changes the course of a run: pause, resume, retry, skip. An open run is changed in place; a
// closed one is never reopened, and a fork goes on in its place. Needs no workflow code, and mostly no worker.
import { decodePayload, encodePayload } from '../../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { checkOptions } from '../../../runtime/core/options/option-table.ts';
import type { DeclaredMeta, PendingActivity } from '../../../runtime/core/activity/pending-activity.ts';
import { editedArguments } from '../../../runtime/core/recovery/edited-arguments.ts';
import { parseActivityAddress } from '../../../runtime/core/recovery/activity-address.ts';
import {
  mayRetry,
  nothingToRetry,
  notSkippable,
  type Refusal,
  activityName,
  recoveryRefusal,
  type RecoveryMeta,
  type VerbName,
} from '../../../runtime/core/recovery/verb.ts';
import type { RunState } from '../../../runtime/core/run/run-state.ts';
import { readArguments, readEventsOfType } from '../../../runtime/store/log/history.ts';
import {
  type ActivityCall,
  changeOfActivity,
  findActivity,
  findVerb,
  lastFailedActivity,
  type LoggedVerb,
} from '../../../runtime/store/runs/find-verb.ts';
import type { VerbMessage } from '../../../runtime/store/runs/operate-run.ts';
import type { RunRow } from '../../../runtime/store/runs/run-row.ts';
import { readRunState } from '../../../runtime/store/runs/runs.ts';
import type { Connection } from '../../common/connection.ts';
import { RecoverySupersededError, WorkflowNotFoundError } from '../client-errors.ts';
import { RunForks } from './run-forks.ts';
import { VerbCall } from './verb-call.ts';
import {
  checkRetryOptions,
  type RetryOptions,
  type SkipOptions,
  skipTable,
  verbColumns,
  type VerbOptions,
  verbTable,
} from './verb-options.ts';

/** What a verb did. */
export interface VerbOutcome {
  /** The run that the verb changed, or the fork that goes on in place of a closed run. */
  readonly runId: string;
  /** Seq of the event that did it. */
  readonly seq: number;
  /** False if the run was in that state already, or if an earlier call with the request id did it. */
  readonly applied: boolean;
}

const nothing = new Uint8Array(0);

export abstract class RunVerbs extends RunForks {
  protected readonly maxPayloadBytes: number;

  constructor(connection: Connection, maxPayloadBytes: number) {
    super(connection);
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * Pauses the run: from now on no task, no timer and no new attempt of an activity begins. Attempts that run may end.
   * Timeouts of the run go on, and signals, updates and cancellation wait. Needs no worker if none has the run.
   * @throws WorkflowNotFoundError when the run is not open
   */
  async pause(options: VerbOptions = {}): Promise<VerbOutcome> {
    checkOptions('pause', options, verbTable);
    const message = { type: 'WorkflowPaused', ...verbColumns('pause', options) } as const;
    return this.#onOpenRun('pause', options, message.correlationId, async (run) => {
      const answer = await new VerbCall(this.connection, run.run_id, message).answer();
      if (answer === 'closed') return undefined;
      if ('verb' in answer) return outcomeOf(run, answer.verb);
      // The pause that came first is the answer. If the run was resumed meanwhile, it is paused again.
      const { paused } = await this.#stateOf(run);
      return paused === undefined ? 'again' : { runId: run.run_id, seq: paused.seq, applied: false };
    });
  }

  /**
   * Lets a paused run go on: whatever waited takes effect now. For a run that failed, this is `retry`.
   * @throws WorkflowNotFoundError; RuntimeError NOT_PAUSED
   */
  async resume(options: VerbOptions = {}): Promise<VerbOutcome> {
    checkOptions('resume', options, verbTable);
    const message = { type: 'WorkflowResumed', ...verbColumns('resume', options) } as const;
    return this.#onOpenRun('resume', options, message.correlationId, async (run) => {
      const answer = await new VerbCall(this.connection, run.run_id, message).answer();
      if (answer === 'closed') return undefined;
      if ('verb' in answer) return outcomeOf(run, answer.verb);
      throw refused(run, answer.refusal);
    });
  }

  /**
   * Starts the next attempt of a failed activity now, if asked with other arguments. The count of failed attempts and
   * the activity's time limits start again. Also settles an `unsafe` activity whose effect is unknown.
   * @throws WorkflowNotFoundError; RecoverySupersededError; RuntimeError NOTHING_TO_RETRY, ATTEMPT_RUNNING,
   * ACTIVITY_ALREADY_ENDED, STEP_NOT_FOUND, INVALID_INPUT
   */
  async retry(options: RetryOptions = {}): Promise<VerbOutcome> {
    checkRetryOptions(options);
    const columns = verbColumns('retry', options);
    return this.#onOpenRun('retry', options, columns.correlationId, async (run) => {
      const activity = await this.#activityToChange(run, 'retry', options.activity);
      const payload = await this.#newArguments(run, activity, options);
      return this.#changeActivity(run, activity, { ...columns, name: 'retry', ...(payload && { payload }) });
    });
  }

  /**
   * Ends a pending activity with the given result. Only an activity with `skippable: true` can be skipped, and an
   * `unsafe` one whose effect is unknown.
   * @throws as `retry`; RuntimeError NOT_SKIPPABLE
   */
  async skip(options: SkipOptions): Promise<VerbOutcome> {
    checkOptions('skip', options, skipTable);
    const columns = verbColumns('skip', options);
    const payload = this.#encode('The result of skip', options.result);
    return this.#onOpenRun('skip', options, columns.correlationId, async (run) => {
      if (options.activity === undefined) {
        throw new RuntimeError('INVALID_INPUT', 'skip needs an activity: a seq, an activity id, or type#n.');
      }
      const activity = await this.#activityToChange(run, 'skip', options.activity);
      return this.#changeActivity(run, activity, { ...columns, name: 'skip', payload });
    });
  }

  /**
   * A retry or skip of a closed run, which is never reopened: a fork goes on in its place, from before the failure that
   * closed it.
   */
  #recoverClosed(run: RunRow, verb: 'retry' | 'skip', options: RetryOptions & SkipOptions): Promise<VerbOutcome> {
    const { reason, actor, requestId, force } = options;
    const given = {
      ...(reason === undefined ? {} : { reason }),
      ...(actor === undefined ? {} : { actor }),
      ...(requestId === undefined ? {} : { requestId }),
      ...(force === undefined ? {} : { force }),
    };
    return this.forkBeforeFailure(verb, run, given, async (seq) => {
      // Only an activity can get other arguments: whatever is given for a child is refused.
      if (seq === undefined) return options.args === undefined && options.input === undefined ? undefined : nothing;
      if (options.activity !== undefined) await this.#checkFailed(run, options.activity, seq);
      if (verb === 'retry') return this.#newArguments(run, { seq, argsSeq: await this.#lastEdit(run, seq) }, options);
      await this.#checkSkippable(run, seq);
      return this.#encode('The result of skip', options.result);
    });
  }

  /** @throws INVALID_INPUT unless the address names the activity whose failure closed the run */
  async #checkFailed(run: RunRow, address: string | number, failed: number): Promise<void> {
    const { seq } = await this.#callAt(run, address);
    if (seq === failed) return;
    const message = `Run ${run.run_id} was closed by the failure of the activity of seq ${failed}, not by that of ${JSON.stringify(address)} (seq ${seq}). Name that one or none, or use reset to go back further.`;
    throw new RuntimeError('INVALID_INPUT', message, { runId: run.run_id });
  }

  /** Seq of the last retry that changed the arguments of an activity; 0 when none did. */
  async #lastEdit({ run_id: runId }: RunRow, seq: number): Promise<number> {
    const edits = await this.connection.reach((database) =>
      readEventsOfType(database, runId, ['RecoveryApplied'], `and answers = ${seq} and payload is not null`),
    );
    return edits.at(-1)?.seq ?? 0;
  }

  /** @throws NOT_SKIPPABLE unless the call of an ended activity or its last attempt declares skippable */
  async #checkSkippable({ run_id: runId }: RunRow, seq: number): Promise<void> {
    const types = ['ActivityScheduled', 'ActivityAttemptFailed', 'ActivityFailed', 'ActivityTimedOut'] as const;
    const events = await this.connection.reach((database) =>
      readEventsOfType(database, runId, types, `and (seq = ${seq} or answers = ${seq})`),
    );
    const declares = events.some(({ meta }) => (JSON.parse(meta ?? '{}') as DeclaredMeta).skippable === true);
    const [scheduled] = events;
    if (!declares) throw error(runId, notSkippable(runId, { seq, type: scheduled?.name ?? '' }));
  }

  /**
   * Does `work` on the open run, and again when another request came first or the run has a successor. A repeated
   * request finds its event, whatever has happened since.
   */
  async #onOpenRun(
    verb: VerbName,
    options: VerbOptions,
    requestId: string,
    work: (run: RunRow) => Promise<VerbOutcome | 'again' | undefined>,
  ): Promise<VerbOutcome> {
    const made = await this.madeBefore(verb === 'resume' ? 'retry' : verb, options.requestId);
    if (made !== undefined) return made;
    for (let run = await this.run(); ; run = await this.run()) {
      const known = options.requestId === undefined ? undefined : await this.#known(run, verb, requestId);
      if (known !== undefined) return known;
      if (run.closed_at === null) {
        const outcome = await work(run);
        if (outcome !== undefined && outcome !== 'again') return outcome;
        continue;
      }
      if (verb === 'retry' || verb === 'skip') return this.#recoverClosed(run, verb, options);
      if (verb === 'resume' && run.status === 'failed') return this.#recoverClosed(run, 'retry', options);
      throw WorkflowNotFoundError.closed(this.workflowId, run.run_id);
    }
  }

  /** The event of an earlier call with the request id. @throws INVALID_INPUT when that call was of another verb */
  async #known(run: RunRow, verb: VerbName, requestId: string): Promise<VerbOutcome | undefined> {
    const logged = await this.connection.reach(({ pool, schema }) => findVerb(pool, schema, run.run_id, requestId));
    if (logged === undefined) return undefined;
    if (verbOf(logged) === verb) return { ...outcomeOf(run, logged), applied: false };
    const message = `requestId ${requestId} belongs to the ${verbOf(logged)} at seq ${logged.seq} of run ${run.run_id}. Use another id for ${verb}.`;
    throw new RuntimeError('INVALID_INPUT', message, { runId: run.run_id });
  }

  async #changeActivity(
    run: RunRow,
    activity: PendingActivity,
    columns: Omit<VerbMessage, 'type'> & { readonly name: 'retry' | 'skip' },
  ): Promise<VerbOutcome | undefined> {
    const { seq } = activity;
    const after = activity.recovery?.seq ?? 0;
    const meta = JSON.stringify({ after } satisfies RecoveryMeta);
    const message: VerbMessage = { ...columns, type: 'RecoveryApplied', answers: seq, meta };
    const refusal = recoveryRefusal(run.run_id, activity, { name: columns.name, answers: seq, meta });
    const answer =
      refusal === undefined ? await new VerbCall(this.connection, run.run_id, message).answer() : { refusal };
    if (answer === 'closed') return undefined;
    if ('verb' in answer) return outcomeOf(run, answer.verb);
    // Whoever came first may have committed only after this call had looked at the activity.
    const change = await this.connection.reach((database) => changeOfActivity(database, run.run_id, { seq, after }));
    if (change === undefined) throw refused(run, answer.refusal);
    const winner = { seq: change.seq, name: verbOf(change), actor: change.actor, reason: change.reason };
    throw new RecoverySupersededError(columns.name, activityName(activity), winner, run.run_id);
  }

  /** The pending activity that a retry or a skip is about. */
  async #activityToChange(
    run: RunRow,
    verb: 'retry' | 'skip',
    address: string | number | undefined,
  ): Promise<PendingActivity> {
    const { run_id: runId } = run;
    const state = await this.#stateOf(run);
    if (address === undefined) return this.#onlyFailed(run, state);
    const call = await this.#callAt(run, address);
    const activity = state.activities.get(call.seq);
    if (activity !== undefined) return activity;
    const end = await this.connection.reach((database) =>
      changeOfActivity(database, runId, { seq: call.seq, after: 0 }),
    );
    throw ended(runId, activityName(call), end, verb);
  }

  /** @throws INVALID_INPUT, STEP_NOT_FOUND */
  async #callAt({ run_id: runId }: RunRow, address: string | number): Promise<ActivityCall> {
    const parsed = parseActivityAddress(address);
    const call = await this.connection.reach((database) => findActivity(database, runId, parsed));
    if (call === undefined) {
      const message = `Run ${runId} has no activity ${JSON.stringify(address)}. Pass a seq, an activity id, or type#n for the n-th call of a type; the history lists all calls.`;
      throw new RuntimeError('STEP_NOT_FOUND', message, { runId });
    }
    return call;
  }

  async #onlyFailed({ run_id: runId }: RunRow, { activities }: RunState): Promise<PendingActivity> {
    const failed = [...activities.values()].filter(mayRetry);
    if (failed.length === 1) return failed[0]!;
    if (failed.length > 1) {
      const names = failed.map((activity) => activityName(activity)).join(', ');
      const message = `Several activities of run ${runId} have failed: ${names}. Name one of them with activity.`;
      throw new RuntimeError('INVALID_INPUT', message, { runId });
    }
    const seen = await this.connection.reach((database) => lastFailedActivity(database, runId));
    if (seen === undefined) throw error(runId, nothingToRetry(runId, 'no pending activity has failed'));
    const call = activityName({ type: seen.name ?? '', seq: seen.scheduled });
    throw error(runId, alreadyEnded(runId, call, `failed for good at seq ${seen.seq}`));
  }

  /** The edited arguments, encoded; undefined for a retry with the same arguments. */
  async #newArguments(
    { run_id: runId }: RunRow,
    { seq, argsSeq }: Pick<PendingActivity, 'seq' | 'argsSeq'>,
    { input, args }: RetryOptions,
  ): Promise<Uint8Array | undefined> {
    if (args !== undefined) return this.#encode('The arguments of retry', args);
    if (input === undefined || input.length === 0) return undefined;
    const recorded = await this.connection.reach(async (database) => {
      if (argsSeq === 0) return (await readArguments(database, runId, [seq])).get(seq);
      const [edited] = await readEventsOfType(database, runId, ['RecoveryApplied'], `and seq = ${argsSeq}`);
      return edited?.payload ?? undefined;
    });
    const before = recorded === undefined ? [] : (decodePayload(recorded) as unknown[]);
    return this.#encode('The arguments of retry', editedArguments(before, input));
  }

  /** @throws NOT_SERIALISABLE, PAYLOAD_TOO_LARGE */
  #encode(what: string, value: unknown): Uint8Array {
    const payload = encodePayload(value);
    if (payload.length <= this.maxPayloadBytes) return payload;
    throw new RuntimeError(
      'PAYLOAD_TOO_LARGE',
      `${what} has ${payload.length} bytes, the limit is ${this.maxPayloadBytes}. Pass a reference to the data, or raise maxPayloadBytes.`,
    );
  }

  #stateOf(run: RunRow): Promise<RunState> {
    return this.connection.reach((database) => readRunState(database, run));
  }
}

function verbOf({ type, name }: LoggedVerb): string {
  if (type === 'WorkflowPaused') return 'pause';
  if (type === 'WorkflowResumed') return 'resume';
  return type === 'RecoveryApplied' && name !== null ? name : type;
}

function outcomeOf({ run_id: runId }: RunRow, { seq }: LoggedVerb): VerbOutcome {
  return { runId, seq, applied: true };
}

function error(runId: string, { code, message }: Refusal): RuntimeError {
  return new RuntimeError(code, message, { runId });
}

function refused({ run_id: runId }: RunRow, refusal: Refusal): RuntimeError {
  return error(runId, refusal);
}

function ended(runId: string, call: string, end: LoggedVerb | undefined, verb: string): RuntimeError {
  const who = end?.actor === null || end?.actor === undefined ? '' : ` by ${end.actor}`;
  const how = end === undefined ? 'has ended' : `ended at seq ${end.seq} (${verbOf(end)}${who})`;
  return error(runId, alreadyEnded(runId, call, `${how}, so ${verb} cannot change it`));
}

function alreadyEnded(runId: string, call: string, how: string): Refusal {
  const message = `${call} of run ${runId} ${how}, and the workflow code has seen its outcome or will. To let the code decide again, use reset to a point before it.`;
  return { code: 'ACTIVITY_ALREADY_ENDED', message };
}
