// The part of a handle that forks runs: the run goes on from an earlier point of its history, in its own place or beside
// itself. Nothing of the history is changed or copied.
import { setTimeout } from 'node:timers/promises';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { type Effect, effectsIn } from '../../../runtime/core/recovery/effects.ts';
import type { ForkRequest } from '../../../runtime/core/recovery/fork-plan.ts';
import type { ForkVerb } from '../../../runtime/core/recovery/fork-verbs.ts';
import { ForkAttempt, type MadeFork } from '../../../runtime/recovery/fork-attempt.ts';
import { ForkPoints } from '../../../runtime/recovery/fork-points.ts';
import { beforeFailure } from '../../../runtime/recovery/retry-closed.ts';
import type { RunRow } from '../../../runtime/store/runs/run-row.ts';
import { readEventsOfType } from '../../../runtime/store/log/history.ts';
import { findFork, getRun } from '../../../runtime/store/runs/runs.ts';
import type { Connection } from '../../common/connection.ts';
import { limitReached, waitAtMost, whenAborted } from '../call-limits.ts';
import {
  checkForkOptions,
  checkForkPlace,
  type ForkOptions,
  type ForkPlace,
  forkRequest,
  type ForkVerbOptions,
  pointOf,
  type RecoverOptions,
  type ResetOptions,
  type RollbackOptions,
} from './fork-options.ts';
import { RunHistory } from '../run-history.ts';
import { rowOf, whenFree } from '../when-free.ts';

/** What happened behind a point, which a fork there does not take back and may repeat. */
export interface ForkPreview {
  /** The run to fork. */
  readonly runId: string;
  /** The last event that the fork keeps. */
  readonly point: number;
  readonly effects: readonly Effect[];
}

export interface ForkOutcome {
  /** The fork. */
  readonly runId: string;
  readonly workflowId: string;
  /** Seq of its WorkflowForked. */
  readonly seq: number;
  /** False if an earlier call with the request id made the fork. */
  readonly applied: boolean;
  /** The run that was forked. */
  readonly origin: string;
  /** What happened behind the point. */
  readonly effects: readonly Effect[];
  /** The origin was a child whose parent has heard of its end, so the fork reports to nobody. */
  readonly isDetached: boolean;
}

const pauseMs = { first: 5, max: 250 } as const;

export abstract class RunForks extends RunHistory {
  abstract readonly workflowId: string;
  protected readonly connection: Connection;

  constructor(connection: Connection) {
    super(connection);
    this.connection = connection;
  }

  /**
   * A new run under another workflow id, with this run's history up to a point; by default all of it. This run stays as
   * it is, and no message to it reaches the copy.
   * @throws WorkflowNotFoundError; RuntimeError INVALID_INPUT, UNSAFE_EFFECTS
   */
  async fork(options: ForkOptions): Promise<ForkOutcome> {
    return this.#fork('fork', options);
  }

  /**
   * Goes on from before a step, in this run's place: its workflow id names the fork from now on, and a waiting
   * `result()` follows it.
   * @throws WorkflowNotFoundError; RuntimeError INVALID_INPUT, STEP_NOT_FOUND, UNSAFE_EFFECTS, RUN_ALREADY_STARTED
   */
  async reset(options: ResetOptions): Promise<ForkOutcome> {
    return this.#fork('reset', options);
  }

  /** Like `reset`, to a checkpoint, by default the newest. Calls that are repeated keep their idempotency keys. */
  async recover(options: RecoverOptions = {}): Promise<ForkOutcome> {
    return this.#fork('recover', options);
  }

  /** Like `reset`, back to a point on purpose: signals and updates behind it are not applied again. */
  async rollback(options: RollbackOptions & { readonly dryRun: true }): Promise<ForkPreview>;
  async rollback(options: RollbackOptions): Promise<ForkOutcome>;
  async rollback(options: RollbackOptions): Promise<ForkOutcome | ForkPreview> {
    checkForkOptions('rollback', options);
    return options.dryRun === true ? this.#preview('rollback', options) : this.#fork('rollback', options);
  }

  /** Begins again with the same arguments, in this run's place. */
  async restart(options: ForkVerbOptions = {}): Promise<ForkOutcome> {
    return this.#fork('restart', options);
  }

  /**
   * What a verb to a point, by default `restart`, would repeat. Changes nothing.
   * @throws WorkflowNotFoundError; RuntimeError INVALID_INPUT, STEP_NOT_FOUND
   */
  async effectsAfter(place: ForkPlace = {}, verb: ForkVerb = 'restart'): Promise<ForkPreview> {
    checkForkPlace(place, verb);
    return this.#preview(verb, place);
  }

  /**
   * `retry` and `skip` of a closed run: goes on from before the failure that closed it. `payloadOf` gives the new
   * arguments or the result for the activity that failed; undefined stands for a failed child.
   * @throws RuntimeError NOTHING_TO_RETRY, EFFECTS_AFTER, INVALID_INPUT
   */
  protected async forkBeforeFailure(
    verb: 'retry' | 'skip',
    run: RunRow,
    options: ForkVerbOptions & { readonly force?: boolean },
    payloadOf: (failed: number | undefined) => Promise<Uint8Array | undefined>,
  ): Promise<ForkOutcome> {
    const points = await this.#pointsOf(run);
    const choices = { verb, isForced: options.force === true };
    const payload = await payloadOf(beforeFailure(points, choices).applied?.seq);
    const { point, applied } = beforeFailure(points, { ...choices, payload });
    const request = forkRequest(verb, { runId: run.run_id, point }, options);
    return this.#make(run, points, applied === undefined ? request : { ...request, applied });
  }

  async #fork(
    verb: Exclude<ForkVerb, 'retry' | 'skip' | 'replay'>,
    options: ForkVerbOptions & ForkPlace,
  ): Promise<ForkOutcome> {
    checkForkOptions(verb, options);
    const made = await this.madeBefore(verb, options.requestId);
    if (made !== undefined) return made;
    const run = await this.run();
    const points = await this.#pointsOf(run);
    const point = pointOf(verb, points, options);
    return this.#make(run, points, forkRequest(verb, { runId: run.run_id, point }, options));
  }

  async #preview(verb: ForkVerb, place: ForkPlace): Promise<ForkPreview> {
    const { run_id: runId, ...run } = await this.run();
    const points = await this.#pointsOf({ run_id: runId, ...run });
    const point = pointOf(verb, points, place);
    return { runId, point, effects: effectsIn(points.log.filter(({ seq }) => seq > point)) };
  }

  #pointsOf({ run_id: runId, closed_at: closedAt }: RunRow): Promise<ForkPoints> {
    return this.connection.reach((database) => ForkPoints.of(database, runId, closedAt !== null));
  }

  /**
   * The fork that an earlier call with the request id made. It is looked for before the run and the step, because the
   * workflow id may name the fork by now, and the fork may lack the step.
   * @throws INVALID_INPUT when the id belongs to a fork of another workflow or by another verb
   */
  protected async madeBefore(verb: string, requestId: string | undefined): Promise<ForkOutcome | undefined> {
    if (requestId === undefined) return undefined;
    const fork = await this.connection.reach((database) => findFork(database, requestId));
    if (fork === undefined) return undefined;
    const origin = (await this.connection.reach((database) => getRun(database, fork.forked_from!)))!;
    const forked = await this.connection.reach((database) =>
      readEventsOfType(database, fork.run_id, ['WorkflowForked'], `and seq = ${fork.forked_seq! + 1}`),
    );
    const verbThen = forked[0]?.name ?? '';
    if (origin.workflow_id !== this.workflowId || verbThen !== verb) {
      throw new RuntimeError(
        'INVALID_INPUT',
        `requestId ${requestId} belongs to the ${verbThen} of run ${origin.run_id} of workflow ${origin.workflow_id}. ` +
          `Use another id for ${verb}.`,
        { runId: origin.run_id },
      );
    }
    return this.#outcome(origin, await this.#pointsOf(origin), fork, { verb, isNew: false });
  }

  async #make(run: RunRow, points: ForkPoints, request: ForkRequest): Promise<ForkOutcome> {
    const { runId, isNew } = await this.#await(request);
    const fork = (await this.connection.reach((database) => getRun(database, runId)))!;
    return this.#outcome(run, points, fork, { verb: request.verb, isNew });
  }

  #outcome(
    run: RunRow,
    { log }: ForkPoints,
    fork: RunRow,
    { verb, isNew }: { readonly verb: string; readonly isNew: boolean },
  ): ForkOutcome {
    const point = fork.forked_seq!;
    return {
      runId: fork.run_id,
      workflowId: fork.workflow_id,
      seq: point + 1,
      applied: isNew,
      origin: fork.forked_from!,
      effects: effectsIn(log.filter(({ seq }) => seq > point)),
      isDetached: verb !== 'fork' && run.parent_run_id !== null && fork.parent_run_id === null,
    };
  }

  async #await(request: ForkRequest): Promise<MadeFork> {
    const attempt = new ForkAttempt(request);
    const abortion = whenAborted();
    try {
      for (let wait: number = pauseMs.first; ; wait = Math.min(2 * wait, pauseMs.max)) {
        const made = await whenFree(this.connection, rowOf(request.runId), (database) => attempt.look(database));
        if (made !== undefined) return made;
        const reached = limitReached();
        if (reached !== undefined) throw notYet(request, reached);
        await Promise.race([setTimeout(waitAtMost(wait)), abortion.aborted]);
      }
    } finally {
      abortion.done();
    }
  }
}

function notYet({ runId, requestId }: ForkRequest, reached: string): RuntimeError {
  return new RuntimeError(
    'TIMEOUT',
    `The owner of run ${runId} has not made the fork of request ${requestId}, and ${reached}. The request may still take ` +
      'effect: repeat the call with the same requestId to get its outcome.',
    { runId },
  );
}
