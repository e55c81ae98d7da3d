// Lets replay forks proceed: gives them what their record holds next, fires their timers, and ends those that cannot go
// on. ReplayFork decides; this file carries out.
import { newEvent } from '../../core/log/new-event.ts';
import { timerMsMax } from '../../core/options/duration.ts';
import type { RunState } from '../../core/run/run-state.ts';
import type { Activities } from '../activities/activity-context.ts';
import type { Quarantine } from '../life/quarantine.ts';
import type { RunWorker } from '../life/run-worker.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { ReplayFork } from './replay-fork.ts';
import { stopInput } from './stop-input.ts';

export class ReplayForks {
  readonly #worker: RunWorker;
  readonly #activities: Activities;
  readonly #quarantine: Quarantine;

  constructor(worker: RunWorker, activities: Activities, quarantine: Quarantine) {
    this.#worker = worker;
    this.#activities = activities;
    this.#quarantine = quarantine;
  }

  /** Reads the record of a run that is being loaded, and goes on with `then`. */
  load(run: LiveRun, then: () => void): void {
    const { database, clock } = this.#worker;
    const parts = { database, activities: this.#activities, now: clock.now() };
    void this.#quarantine.guard(run, async () => {
      run.replay = await ReplayFork.load(parts, run.runId);
      if (run.phase === 'loading') then();
    });
  }

  /** Called when all inputs of the run are in its log. */
  proceed(run: LiveRun): void {
    void this.#quarantine.guard(run, () => this.advance(run));
  }

  /** Gives the run its next inputs, unless it waits for calls that are under way. */
  async advance(run: LiveRun): Promise<void> {
    const { replay } = run;
    if (replay === undefined || replay.isBusy || run.queue.length > 0) return;
    replay.isBusy = true;
    run.sending++;
    try {
      while (isHere(run) && run.queue.length === 0 && !(await this.#carryOut(run, replay)));
    } finally {
      replay.isBusy = false;
      run.sending--;
    }
  }

  /** Returns false when nothing has come of the move, because the fork has gone on meanwhile. */
  async #carryOut(run: LiveRun, replay: ReplayFork): Promise<boolean> {
    const { inputs, clock } = this.#worker;
    const hasUnseen = run.inputsToReplay.length > 0;
    const move = replay.next(hasUnseen);
    switch (move.kind) {
      case 'wait':
        return true;
      case 'stop':
        inputs.add(run, stopInput(move.stop));
        return true;
      case 'timer':
        if (replay.isRealTime && move.at > replay.timeAt(clock.now())) {
          this.#alarm(run, replay, (move.at - replay.timeAt(clock.now())) / 1000);
          return true;
        }
        replay.plan(move.at);
        inputs.add(run, newEvent(0, 'TimerFired', { answers: move.seq }));
        return true;
      case 'inputs': {
        const next = (await replay.inputsOf(move.inputs)).filter(({ answers }) => isOpen(run.state, answers));
        if (next.length === 0 && !hasUnseen) return false;
        replay.plan(move.at);
        for (const input of next) inputs.add(run, input);
        if (next.length === 0 && run.phase === 'idle') inputs.wake(run);
        return true;
      }
    }
  }

  #alarm(run: LiveRun, replay: ReplayFork, ms: number): void {
    clearTimeout(replay.alarm);
    replay.alarm = setTimeout(() => this.proceed(run), Math.min(Math.ceil(ms), timerMsMax)).unref();
  }
}

function isHere({ phase }: LiveRun): boolean {
  return phase !== 'gone' && phase !== 'quarantined';
}

function isOpen({ activities, timers, links }: RunState, answers: number | null): boolean {
  if (answers === null || activities.has(answers) || timers.has(answers)) return true;
  return links?.children.has(answers) === true || links?.messages.has(answers) === true;
}
