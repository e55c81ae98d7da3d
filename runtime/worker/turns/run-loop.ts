// Turns of all runs that this incarnation owns: activate, append, and only after the commit act.
//
//   loading ─► idle ─► queued ─► flushing ─► idle …            gone: closed, parked, or the incarnation is over
//                ▲         (enqueue)  (append)   └─► parking ─► gone
//   Whatever fails for one run, from any phase: quarantined ─► parking ─► gone
import type { TaskFailure } from '../../core/log/activation.ts';
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import { isAssertion } from '../../core/failure/runtime-error.ts';
import { taskRetryDelayMs } from '../../core/run/task-retry.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import type { ClaimedRun } from '../../store/ownership/claim.ts';
import type { Mail } from '../../core/run/mail.ts';
import { readMail } from '../../store/messages/inbox.ts';
import { isCleanRefusal, isHistoryConflict } from '../../store/sql/sqlstate.ts';
import { act, type Actors } from './act.ts';
import { answerUpdates } from './answer-updates.ts';
import type { AppendResult } from './appender.ts';
import { checkedTurn } from './checked-turn.ts';
import { CodeReloader } from '../cache/code-reloader.ts';
import { RunHolder } from './hold-run.ts';
import { endsWait, type Input } from '../../core/run/input.ts';
import { LiveRun } from './live-run.ts';
import { MailIntake } from './mail-intake.ts';
import { messagesGone, Quarantine } from '../life/quarantine.ts';
import type { RunLoopOptions } from './run-loop-options.ts';
import { loadRuns, reloadSandbox } from '../cache/run-loader.ts';
import { logTurn } from './log-turn.ts';
import { Outgoing } from '../links/outgoing.ts';
import { RunParking } from '../cache/run-parking.ts';
import { TurnRounds } from './turn-rounds.ts';
import { RunTimers } from '../cache/run-timers.ts';
import { type BuiltTurn, buildTurn, outcomeOf, turnToAppend } from './turn.ts';
import { belongsElsewhere } from '../versions/worker-versions.ts';

export class RunLoop {
  readonly #options: RunLoopOptions;
  readonly #timers: RunTimers;
  readonly #holder: RunHolder;
  readonly #reloader: CodeReloader;
  readonly #actors: Actors;
  readonly #outgoing: Outgoing;
  readonly #mail: MailIntake;
  /** Which runs are in memory, and letting go of them. */
  readonly parking: RunParking;
  /** Takes what cannot go on. */
  readonly #quarantine: Quarantine;
  readonly #rounds: TurnRounds;
  #stopped = false;

  constructor(options: RunLoopOptions) {
    this.#options = options;
    const { activities, inputs } = options;
    this.#outgoing = new Outgoing(options);
    this.#holder = new RunHolder(options.database, options.life.epoch);
    this.#reloader = new CodeReloader({
      ...options,
      now: () => this.#now(),
      guard: (run, work) => this.#quarantine.guard(run, work),
      reloaded: (run, failure) => this.#turn(run, failure).then(() => options.appender.pump()),
      deferred: (run, events, appended) => this.#deferred(run, events, appended),
      failed: (run, error) => this.#quarantine.take(run, error),
    });
    this.#rounds = new TurnRounds({
      isStopped: () => this.#stopped,
      defer: (run) => this.#reloader.defer(run),
      reload: (run) => void this.#reloader.reload(run),
      build: (run, taken) => this.#quarantine.attempt(run, () => buildTurn(run, taken, this.#now()), taken),
      flush: (run, built, taken) => {
        if (run.phase !== 'flushing' || this.#stopped) return;
        this.#quarantine.attempt(run, () => this.#flush(run, this.#checked(run, taken, built), taken), taken);
      },
      flushed: () => options.appender.pump(),
    });
    this.#mail = new MailIntake(
      options,
      options.runs,
      (run, mail) => inputs.add(run, activities.input(run, mail)),
      (run, error) => this.#quarantine.leaveUnread(run, error),
    );
    this.#timers = new RunTimers(options.clock, {
      fire: (run, input) => inputs.add(run, input),
      wake: async (run) => {
        // A run that begins now may have left its mail unread.
        if (run.state.hash.length === 0) await this.#mail.send([run.runId]);
        if (run.phase === 'idle') inputs.wake(run);
      },
    });
    this.#actors = { activities, timers: this.#timers, outgoing: this.#outgoing };
    this.parking = new RunParking({
      ...options,
      released: (run) => this.#forget(run),
      kept: (run) =>
        this.#quarantine.attempt(run, () => {
          this.#rest(run);
          activities.startAll(run);
        }),
      failed: (run, error) => this.#quarantine.take(run, error),
    });
    this.#quarantine = new Quarantine({
      ...options,
      parking: this.parking,
      reloader: this.#reloader,
      timers: this.#timers,
    });
  }

  /** Works until the incarnation is over. */
  async run(): Promise<void> {
    void this.#mail.run();
    for await (const runs of this.#options.inputs.rounds()) {
      for (const run of runs) this.#look(run);
      await this.#rounds.process(runs);
    }
  }

  /** Whether a run cannot go on, or may leave memory. */
  #look(run: LiveRun): void {
    const fault = this.#options.inputs.faultOf(run);
    if (fault !== undefined && run.phase !== 'flushing') this.#quarantine.take(run, fault.error);
    else if (run.phase === 'idle' && this.#options.maxCachedRuns === 0) this.#letGo(run);
  }

  /** Takes over claimed runs: reads their logs, replays, and goes on where they stood. */
  async adopt(claimed: readonly ClaimedRun[], queue: string): Promise<void> {
    const runs = claimed.map(({ runId, mail, lost, start, quarantined }) => {
      const run = new LiveRun(runId, mail, lost, this.#options.versions);
      run.queueKey = queue;
      this.#options.runs.add(run);
      if (quarantined !== undefined) this.#quarantine.claimed(run, quarantined);
      return { run, start };
    });
    await loadRuns(this.#options, runs, {
      loaded: (run, failure, mail) => this.#quarantine.attempt(run, () => this.#loaded(run, failure, mail)),
      failed: (run, error) => this.#quarantine.take(run, error),
    });
  }

  /** Takes on a run that was started here, with its first turn: in the log already (`durable`), or to be appended now. */
  begin(run: LiveRun, built: BuiltTurn, durable: boolean): void {
    if (this.#stopped) return run.dropSandbox();
    this.#options.runs.add(run);
    this.#quarantine.attempt(run, () => (durable ? this.#committed(run, built, []) : this.#flush(run, built, [])));
    this.#options.appender.pump();
  }

  /** Takes a run that was started here and that no first turn could be made of. */
  beginFailed(run: LiveRun, error: unknown): void {
    if (this.#stopped) return run.dropSandbox();
    this.#options.runs.add(run);
    this.#quarantine.take(run, error);
  }

  abort(): void {
    this.#stopped = true;
    this.#outgoing.stop();
    this.#mail.stop();
    for (const run of [...this.#options.runs]) this.#forget(run);
  }

  #loaded(run: LiveRun, failure: TaskFailure | undefined, mail: readonly Mail[]): void {
    if (this.#stopped) return;
    if (belongsElsewhere(run)) return void this.#quarantine.guard(run, () => this.parking.sendOn(run));
    // A long run comes without its code: what is pending goes on while it is made again.
    run.phase = run.sandbox === undefined ? 'reloading' : 'idle';
    run.idleSince = performance.now();
    if (run.waitsUntil > this.#now()) return this.#holdBack(run, mail);
    this.#timers.startAll(run);
    const lost = run.ownerLost();
    // Logged before the activities start again, so that their attempts count right.
    if (lost !== undefined) this.#options.inputs.add(run, lost);
    else this.#actors.activities.startAll(run);
    this.#outgoing.resume(run);
    this.#mail.deliver(mail);
    if (run.sandbox === undefined) void this.#reloader.reload(run);
    else if (failure !== undefined) void this.#turn(run, failure).then(() => this.#options.appender.pump());
    else if (run.carried.length > 0) this.#options.inputs.wake(run);
    // Else it is known only with its next turn whether it goes on.
    if (run.settled) this.#quarantine.passed(run);
  }

  /** Its first task is not due, and was not asked for by a message: the run is let go with its mail unread. */
  #holdBack(run: LiveRun, mail: readonly Mail[]): void {
    const ending = mail.some(({ type }) => endsWait(type));
    run.mailRead = ending ? run.mailRead : run.mailClaimed;
    this.#timers.startAll(run);
    this.#timers.wakeAt(run, run.waitsUntil);
    if (ending) this.#mail.deliver(mail);
    else this.#letGo(run);
  }

  async #turn(run: LiveRun, failure?: TaskFailure): Promise<void> {
    run.phase = 'flushing';
    const inputs = run.takeQueue();
    await this.#quarantine.guard(
      run,
      async () => {
        const built = await this.#build(run, inputs, failure);
        if (!this.#isGone(run)) this.#flush(run, built, inputs);
      },
      inputs,
    );
  }

  async #build(run: LiveRun, inputs: readonly Input[], failure?: TaskFailure): Promise<BuiltTurn> {
    const built = buildTurn(run, inputs, this.#now(), failure);
    if (built.activated) await rejectionsKnown();
    return this.#checked(run, inputs, built);
  }

  #checked(run: LiveRun, inputs: readonly Input[], built: BuiltTurn): BuiltTurn {
    return checkedTurn(run, inputs, built, { now: this.#now(), maxPayloadBytes: this.#options.maxPayloadBytes });
  }

  #isGone(run: LiveRun): boolean {
    return run.phase === 'gone' || this.#stopped;
  }

  #flush(run: LiveRun, built: BuiltTurn, inputs: Input[]): void {
    if (built.events.length === 0 && built.consumed.length === 0) {
      run.kept.push(...built.kept);
      this.#quarantine.passed(run);
      this.#rest(run);
      return;
    }
    run.phase = 'flushing';
    if (built.continues !== undefined) {
      void this.#quarantine.guard(run, () => this.#continue(run, built, inputs), inputs);
      return;
    }
    this.#options.appender.submit({
      turn: turnToAppend(run, built),
      bytes: built.bytes,
      done: (result) => this.#quarantine.attempt(run, () => this.#appended(run, built, inputs, result)),
    });
  }

  /** The end of one run and the beginning of the next are one transaction. */
  async #continue(run: LiveRun, built: BuiltTurn, inputs: Input[]): Promise<void> {
    try {
      await this.#holder.append(run, async () => ({ built, done: () => this.#held(run, built, inputs) }));
    } catch (error) {
      if (!isCleanRefusal(error)) throw error;
      this.#refused(run, built, inputs, error);
    }
  }

  /** After a commit that no writer made, and so told nobody of. */
  #held(run: LiveRun, built: BuiltTurn, inputs: Input[]): void {
    this.#quarantine.attempt(run, () => this.#appended(run, built, inputs, { outcome: 'committed' }));
    if (built.closes !== undefined) this.#options.database.notifier.closed(run.runId);
  }

  #appended(run: LiveRun, built: BuiltTurn, inputs: Input[], result: AppendResult): void {
    if (run.phase === 'gone') return;
    if (result.outcome === 'committed') this.#committed(run, built, inputs);
    else if (result.outcome === 'suspect') this.#quarantine.take(run, messagesGone(run));
    else if (result.outcome === 'mail') void this.#repeatClose(run, inputs);
    else if (result.outcome === 'busy') void this.#repeatClose(run, inputs, true);
    else if (result.outcome === 'refused') this.#refused(run, built, inputs, result.error);
  }

  #committed(run: LiveRun, built: BuiltTurn, inputs: readonly Input[]): void {
    for (const event of built.events) run.record(event);
    run.lostCloses = 0;
    run.kept.push(...built.kept);
    answerUpdates(this.#options.database, run, built);
    this.#options.inputs.appended(inputs);
    logTurn(this.#options.logger, run, built);
    if (built.closes !== undefined) {
      this.#quarantine.passed(run);
      this.#actors.activities.closed(run);
      this.#forget(run);
      if (built.outbox !== undefined) this.#outgoing.closed(run.runId);
      this.#options.database.local.emit('closed', run.runId, outcomeOf(built));
      return;
    }
    if (built.failure !== undefined) {
      run.carryInputs(built.events);
      run.dropSandbox();
      // Tried again with back-off, by whichever worker has the run then.
      run.retryTaskAt = this.#now() + taskRetryDelayMs(run.state.taskFailures) * 1000;
      this.#timers.wakeAt(run, run.retryTaskAt);
    } else if (built.activated) {
      run.carried = [];
      run.retryTaskAt = undefined;
    }
    this.#options.versionWatch?.recorded(run);
    for (const event of built.events) {
      if (!run.isLeaving || event.type !== 'ActivityScheduled') act(run, event, this.#actors);
    }
    this.#quarantine.passed(run);
    const isUncached = this.#options.maxCachedRuns === 0;
    if (isUncached) run.dropSandbox();
    this.#rest(run);
    // Another worker of the queue may have the code that this one lacks.
    if (built.failure !== undefined || isUncached || run.isLeaving) this.#letGo(run);
  }

  /** A run that cannot be let go now stays in memory, until runs are evicted or the worker stops. */
  #letGo(run: LiveRun): void {
    this.parking.letGo(run).catch((error: unknown) => {
      if (this.#stopped) return;
      this.#options.logger.warn({ err: error, runId: run.runId }, 'a run could not be let go, will try again');
    });
  }

  /** After a turn: on with what came meanwhile, or idle. */
  #rest(run: LiveRun): void {
    run.phase = 'idle';
    run.idleSince = performance.now();
    if (run.queue.length > 0 || this.#options.inputs.faultOf(run) !== undefined) this.#options.inputs.wake(run);
  }

  /** A closing turn lost against mail, new or under way: the code must see it, from the state before that turn. */
  async #repeatClose(run: LiveRun, inputs: Input[], hold = false): Promise<void> {
    run.lostCloses++;
    run.queue.unshift(...inputs);
    const taken: Input[] = [];
    const repeat = async (): Promise<void> => {
      const failure = await reloadSandbox(this.#options.database, this.#options.sandbox, run);
      if (hold || run.lostCloses >= 2) {
        // Held: no sender can get in between any more, so a stream of signals cannot keep the run open for ever.
        await this.#holder.append(run, async (mail) => {
          this.#mail.deliver(mail);
          taken.push(...run.takeQueue());
          const built = await this.#build(run, taken, failure);
          return { built, done: () => this.#held(run, built, taken) };
        });
        return;
      }
      this.#mail.deliver(await readMail(this.#options.database, [{ runId: run.runId, after: run.mailRead }]));
      await this.#turn(run, failure);
      this.#options.appender.pump();
    };
    await this.#quarantine.guard(run, repeat, taken);
  }

  #deferred(run: LiveRun, events: readonly HistoryEvent[], inputs: readonly Input[]): void {
    this.#quarantine.attempt(run, () => {
      for (const event of events) run.record(event);
      run.unhashed = [];
      this.#options.inputs.appended(inputs);
      for (const event of events) act(run, event, this.#actors);
      if (run.queue.length > 0) this.#options.inputs.wake(run);
    });
  }

  /** The database took none of the turn: what the code asked for cannot be stored, or another writer was there. */
  #refused(run: LiveRun, built: BuiltTurn, inputs: Input[], error: unknown): void {
    if (isHistoryConflict(error)) return this.#quarantine.take(run, error);
    run.dropSandbox();
    if (built.failure !== undefined) return this.#quarantine.take(run, error, inputs);
    const code = isAssertion(error) ? error.code : 'WORKFLOW_ERROR';
    const message = `The turn could not be stored: ${error instanceof Error ? error.message : String(error)}`;
    const failed = (): void => this.#flush(run, buildTurn(run, inputs, this.#now(), { code, message }), inputs);
    this.#quarantine.attempt(run, failed, inputs);
    this.#options.appender.pump();
  }

  #forget(run: LiveRun): void {
    run.phase = 'gone';
    this.#quarantine.forget(run);
    this.#options.inputs.forget(run);
    this.#options.runs.delete(run);
    this.#timers.clear(run);
    this.#actors.activities.abandon(run, 'NOT_FOUND');
    run.dropSandbox();
  }

  #now(): Micros {
    return this.#options.clock.now();
  }
}
