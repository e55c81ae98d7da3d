// Turns of all runs that this incarnation owns, in stages: claimed runs are loaded, runs that need attention are
// activated, and their turns are appended together. A turn is acted upon only after its commit. Phases: run-phase.ts.
//
//   adopt ─► loaded ─► [RunInputs] ─► #activate ─► #append ─► appended ─► #committed ─► EventActions
//                          ▲                                      └─► #repeatClose, #refused, Quarantine
//                          └── whatever happens to a run: activities, timers, mail, other runs
import { isAssertion, RuntimeError } from '../../core/failure/runtime-error.ts';
import type { TaskFailure } from '../../core/log/activation.ts';
import { visibleInputs } from '../../core/log/visible.ts';
import { endsRun, endsWait, type Input } from '../../core/run/input.ts';
import type { Mail } from '../../core/run/mail.ts';
import { failureOf, isPausedAfter } from '../../core/recovery/verb-inputs.ts';
import { taskRetryDelayMs } from '../../core/run/task-retry.ts';
import { Yielder } from '../../flow/yield.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import { readMail } from '../../store/messages/inbox.ts';
import type { ClaimedRun } from '../../store/ownership/claim.ts';
import { isRefusedFork } from '../../store/runs/fork-run.ts';
import { isCleanRefusal, isHistoryConflict } from '../../store/sql/sqlstate.ts';
import type { LoadedRuns } from '../cache/run-loader.ts';
import { messagesGone } from '../life/quarantine.ts';
import { belongsElsewhere } from '../versions/worker-versions.ts';
import { type AppendResult, PendingTurn, type TurnOwner } from './group-commit.ts';
import { LiveRun } from './live-run.ts';
import type { RunStages } from './run-stages.ts';
import { type BuiltTurn, buildTurn, checkTurn, outcomeOf } from './turn-builder.ts';
import type { RunWorker } from '../life/run-worker.ts';

export class RunLoop implements LoadedRuns, TurnOwner {
  readonly #worker: RunWorker;
  readonly #stages: RunStages;

  constructor(worker: RunWorker, stages: RunStages) {
    this.#worker = worker;
    this.#stages = stages;
  }

  /** Works until the incarnation is over. */
  async run(): Promise<void> {
    const { inputs, life } = this.#worker;
    try {
      for await (const runs of inputs.rounds()) await this.#round(runs);
    } catch (error) {
      const text = `The loop over all runs failed: ${String(error)}`;
      life.end(error instanceof RuntimeError ? error : new RuntimeError('ASSERTION_FAILED', text, { cause: error }));
    }
  }

  // Load: claimed runs come into memory and continue from the end of their logs.

  async adopt(claimed: readonly ClaimedRun[], queue: string): Promise<void> {
    const { versions, runs: owned } = this.#worker;
    const runs = claimed.map(({ runId, mail, lost, start, quarantined }) => {
      const run = new LiveRun(runId, mail, lost, versions);
      run.queueKey = queue;
      run.failures = quarantined ?? 0;
      owned.add(run);
      return { run, start };
    });
    await this.#stages.loader.load(runs, this);
  }

  loaded(run: LiveRun, failure: TaskFailure | undefined, mail: readonly Mail[]): void {
    const { life, clock, inputs } = this.#worker;
    const { cache, timers, links, activities, quarantine } = this.#stages;
    if (life.isOver) return;
    if (run.state.replay !== undefined && run.replay === undefined) {
      return this.#stages.replays.load(run, () => this.loaded(run, failure, mail));
    }
    if (run.replay === undefined && belongsElsewhere(run)) return void quarantine.guard(run, () => cache.sendOn(run));
    run.moveTo('idle');
    run.idleSince = performance.now();
    if (run.waitsUntil > clock.now()) return this.#leaveEarly(run, mail);
    timers.startAll(run);
    const lost = run.ownerLost();
    // The lost owner is logged before the activities start again, so that their attempts are counted correctly.
    if (lost !== undefined) inputs.add(run, lost);
    else activities.startAll(run);
    activities.matchPause(run);
    links.resume(run);
    this.#stages.mail.deliverFirst(run, mail);
    // The code of a paused run is rebuilt when the run is resumed, if it could not follow the log now.
    if (run.state.paused !== undefined) {
      if (failure !== undefined) run.dropSandbox();
    }
    // A long run is loaded without its code: pending work continues while the code is rebuilt.
    else if (run.sandbox === undefined) void this.#reload(run);
    else if (failure !== undefined) void this.#turn(run, failure);
    else if (run.replay !== undefined) this.#stages.replays.proceed(run);
    else if (run.inputsToReplay.length > 0) inputs.wake(run);
    // A run with something to do proves only with its next turn that it works.
    if (run.settled) quarantine.passed(run);
  }

  /** The first task is not due yet: the run leaves memory with its mail unread, unless a message ends the wait. */
  #leaveEarly(run: LiveRun, mail: readonly Mail[]): void {
    const { timers, cache } = this.#stages;
    const ending = mail.some(({ type }) => endsWait(type));
    if (!ending) run.mailRead = run.mailClaimed;
    timers.startAll(run);
    timers.wakeAt(run, run.waitsUntil);
    if (ending) this.#stages.mail.deliverFirst(run, mail);
    else cache.release(run);
  }

  /**
   * Accepts a run that was started in this process. Its first turn is already in the log (`durable`) or is appended
   * now.
   */
  begin(run: LiveRun, built: BuiltTurn, durable: boolean): void {
    const { life, runs } = this.#worker;
    if (life.isOver) return run.dropSandbox();
    runs.add(run);
    run.moveTo('appending');
    const turn = new PendingTurn(this, run, [], built);
    if (durable) this.appended(turn, { outcome: 'committed' });
    else this.#submit(turn);
    this.#stages.commit.pump();
  }

  /** Accepts a run that was started in this process and whose first turn could not be built. */
  beginFailed(run: LiveRun, error: unknown): void {
    const { life, runs } = this.#worker;
    if (life.isOver) return run.dropSandbox();
    runs.add(run);
    this.#stages.quarantine.take(run, error);
  }

  // Activate: inputs that arrived together make one turn of their run, and the turns of a round are appended together.

  async #round(runs: ReadonlySet<LiveRun>): Promise<void> {
    const yielder = new Yielder();
    let turns: PendingTurn[] = [];
    for (const run of runs) {
      if (this.#worker.life.isOver) return;
      this.#look(run);
      if (run.phase === 'queued') {
        const turn = this.#activate(run);
        if (turn !== undefined) turns.push(turn);
      }
      if (!yielder.isDue) continue;
      await this.#append(turns);
      turns = [];
      await yielder.yield();
    }
    await this.#append(turns);
  }

  /** Handles a run that failed, that may leave memory, or whose code cannot receive inputs now. */
  #look(run: LiveRun): void {
    const { inputs } = this.#worker;
    const { quarantine, cache, reloader } = this.#stages;
    const fault = run.phase === 'appending' || run.phase === 'releasing' ? undefined : inputs.takeFault(run);
    if (fault?.isOfMail === true) void quarantine.leaveUnread(run, fault.error);
    else if (fault !== undefined) quarantine.take(run, fault.error);
    if (run.phase === 'idle' && cache.isDisabled) cache.release(run);
    else if (run.phase === 'reloading' || run.phase === 'quarantined') reloader.append(run);
  }

  #activate(run: LiveRun): PendingTurn | undefined {
    if (run.sandbox === undefined && !isPausedAfter(run.state, run.queue)) {
      void this.#reload(run);
      return undefined;
    }
    run.moveTo('appending');
    const inputs = run.takeQueue();
    try {
      return new PendingTurn(this, run, inputs, buildTurn(run, inputs, this.#worker.clock.now()));
    } catch (error) {
      this.#stages.quarantine.take(run, error, inputs);
      return undefined;
    }
  }

  /** Rebuilds the code of a run. Inputs that arrive meanwhile are appended by CodeReloader. */
  #reload(run: LiveRun): Promise<void> {
    const { quarantine, reloader } = this.#stages;
    run.moveTo('reloading');
    return quarantine.guard(run, async () => {
      const failure = await reloader.reload(run);
      if (run.replay !== undefined && failure === undefined) await this.#stages.replays.advance(run);
      if (run.phase === 'reloading') await this.#turn(run, failure); // otherwise the run failed or is gone
    });
  }

  /** Makes a turn outside of the rounds, after the code was rebuilt. `failure` says why the rebuild failed. */
  async #turn(run: LiveRun, failure?: TaskFailure): Promise<void> {
    const { quarantine, commit } = this.#stages;
    if (run.phase !== 'appending') run.moveTo('appending');
    const inputs = run.takeQueue();
    await quarantine.guard(
      run,
      async () => {
        const built = await this.#build(run, inputs, failure);
        // The run is paused: its code is rebuilt once more when it is resumed.
        if (failure !== undefined && built.isDeferred) run.dropSandbox();
        if (run.phase === 'appending') this.#submit(new PendingTurn(this, run, inputs, built));
      },
      inputs,
    );
    commit.pump();
  }

  async #build(run: LiveRun, inputs: readonly Input[], failure?: TaskFailure): Promise<BuiltTurn> {
    const { clock, maxPayloadBytes } = this.#worker;
    const built = buildTurn(run, inputs, clock.now(), failure);
    if (built.activated) await rejectionsKnown();
    return checkTurn(run, inputs, built, clock.now(), maxPayloadBytes);
  }

  // Append: turns that add events to the log go out together.

  async #append(turns: readonly PendingTurn[]): Promise<void> {
    const { life, clock, maxPayloadBytes } = this.#worker;
    const { quarantine, commit } = this.#stages;
    if (turns.some(({ built }) => built.activated)) await rejectionsKnown();
    for (const turn of turns) {
      const { run, inputs } = turn;
      if (run.phase !== 'appending' || life.isOver) continue;
      try {
        turn.built = checkTurn(run, inputs, turn.built, clock.now(), maxPayloadBytes);
        this.#submit(turn);
      } catch (error) {
        quarantine.take(run, error, inputs);
      }
    }
    commit.pump();
  }

  #submit(turn: PendingTurn): void {
    const { run, built } = turn;
    const { cache, commit, quarantine } = this.#stages;
    if (built.events.length === 0 && built.consumed.length === 0) {
      run.unseenInputs.push(...built.unseenInputs);
      if (built.isDeferred) this.#stages.activities.keepResults(run);
      quarantine.passed(run);
      cache.rest(run);
      if (run.replay !== undefined) this.#stages.replays.proceed(run);
    } else if (built.continues !== undefined || built.forks !== undefined)
      void quarantine.guard(run, () => this.#continue(turn), turn.inputs);
    else commit.submit(turn);
  }

  /** Ends a run and starts its successor in one transaction. */
  async #continue(turn: PendingTurn): Promise<void> {
    try {
      const built = await this.#stages.lockedClose.append(turn.run, () => turn.built);
      if (built === undefined) return;
    } catch (error) {
      if (turn.built.forks !== undefined && isRefusedFork(error)) return this.#withoutFork(turn, error);
      if (!isCleanRefusal(error)) throw error;
      return this.#refused(turn, error);
    }
    this.appended(turn, { outcome: 'committed' });
  }

  /** The fork is not possible, or another request made it. The run goes on, and the asker learns why. */
  #withoutFork({ run, inputs, built }: PendingTurn, error: unknown): Promise<void> {
    // A fork that another request made answers for itself.
    const answer = error instanceof RuntimeError ? { refusal: failureOf(error) } : {};
    const isRefused = ({ type, correlationId }: Input): boolean =>
      endsRun(type) && correlationId === built.forks?.requestId;
    run.queue.unshift(...inputs.map((input) => (isRefused(input) ? { ...input, isVoid: true, ...answer } : input)));
    return this.#turn(run);
  }

  /** Handles the outcome of an append. */
  appended(turn: PendingTurn, result: AppendResult): void {
    const { run } = turn;
    const { quarantine } = this.#stages;
    if (run.phase === 'gone') return;
    try {
      if (result.outcome === 'committed') this.#committed(turn);
      else if (result.outcome === 'suspect') this.#suspect(turn);
      else if (result.outcome === 'refused') this.#refused(turn, result.error);
      else void this.#repeatClose(turn, result.outcome === 'busy');
    } catch (error) {
      quarantine.take(run, error);
    }
  }

  /** The turn is in the log, but a message behind it, or behind another turn of its statement, was gone. */
  #suspect({ run, built }: PendingTurn): void {
    // Later inputs are appended behind this turn.
    for (const event of built.events) run.record(event);
    this.#stages.quarantine.take(run, messagesGone(run));
  }

  /**
   * New mail arrived before a closing turn. The code is rebuilt to the state before that turn, so that it can receive
   * the mail.
   */
  async #repeatClose({ run, inputs }: PendingTurn, isBusy: boolean): Promise<void> {
    const { database } = this.#worker;
    const { loader, lockedClose, mail, quarantine } = this.#stages;
    run.lostCloses++;
    run.queue.unshift(...inputs);
    const taken: Input[] = [];
    const repeat = async (): Promise<void> => {
      const failure = await loader.reload(run);
      if (!isBusy && run.lostCloses < 2) {
        mail.deliver(await readMail(database, [{ runId: run.runId, after: run.mailRead }]));
        return this.#turn(run, failure);
      }
      // While the row is locked no sender can add a message, so a stream of signals cannot keep the run open for ever.
      const built = await lockedClose.append(run, (rest) => {
        mail.deliver(rest);
        taken.push(...run.takeQueue());
        return this.#build(run, taken, failure);
      });
      if (built !== undefined) this.appended(new PendingTurn(this, run, taken, built), { outcome: 'committed' });
    };
    await quarantine.guard(run, repeat, taken);
  }

  /** The database took no part of the turn: an event cannot be stored, or another writer has appended to the run. */
  #refused({ run, inputs, built }: PendingTurn, error: unknown): void {
    const { clock } = this.#worker;
    const { quarantine, commit } = this.#stages;
    if (isHistoryConflict(error)) return quarantine.take(run, error);
    run.dropSandbox();
    if (built.failure !== undefined) return quarantine.take(run, error, inputs);
    const code = isAssertion(error) ? error.code : 'WORKFLOW_ERROR';
    const message = `The turn could not be stored: ${error instanceof Error ? error.message : String(error)}`;
    try {
      this.#submit(new PendingTurn(this, run, inputs, buildTurn(run, inputs, clock.now(), { code, message })));
    } catch (cause) {
      return quarantine.take(run, cause, inputs);
    }
    commit.pump();
  }

  // Act: the turn is durable.

  #committed({ run, inputs, built }: PendingTurn): void {
    const { actions, cache, checkpoints, quarantine, versionWatch } = this.#stages;
    for (const event of built.events) run.record(event);
    checkpoints.committed(run, built);
    run.lostCloses = 0;
    run.unseenInputs.push(...built.unseenInputs);
    actions.answer(run, built);
    this.#worker.inputs.appended(inputs);
    actions.log(run, built);
    if (built.closes !== undefined) return this.#closed(run, built);
    if (built.failure !== undefined || built.isDeferred) this.#stages.activities.keepResults(run);
    if (built.failure !== undefined) this.#retryTask(run, built);
    else if (built.isDeferred) run.inputsToReplay.push(...visibleInputs(built.events));
    else if (built.activated) {
      run.inputsToReplay = [];
      run.retryTaskAt = undefined;
    }
    versionWatch?.recorded(run);
    for (const event of built.events) actions.act(run, event);
    quarantine.passed(run);
    if (cache.isDisabled) run.dropSandbox();
    cache.rest(run);
    if (run.replay !== undefined) this.#stages.replays.proceed(run);
    // Release the run, because another worker of the queue may have code that can continue it.
    if (built.failure !== undefined || cache.isDisabled || run.isLeaving) cache.release(run);
  }

  #closed(run: LiveRun, built: BuiltTurn): void {
    const { database } = this.#worker;
    const { activities, cache, links, quarantine } = this.#stages;
    quarantine.passed(run);
    activities.closed(run);
    cache.forget(run);
    if (built.outbox !== undefined) links.closed(run.runId);
    database.local.emit('closed', run.runId, outcomeOf(built));
  }

  /**
   * The turn's inputs are in the log, but the code has not seen them. The run's owner, whoever that is, tries again
   * later.
   */
  #retryTask(run: LiveRun, built: BuiltTurn): void {
    const { clock } = this.#worker;
    const { timers } = this.#stages;
    run.inputsToReplay.push(...visibleInputs(built.events));
    run.dropSandbox();
    run.retryTaskAt = clock.now() + taskRetryDelayMs(run.state.taskFailures) * 1000;
    timers.wakeAt(run, run.retryTaskAt);
  }
}
