// BM-10: seeded kills at many kinds of moment. Does every run end with the right state, and is nothing lost or repeated
// beyond what was in flight? --size 1000 is the long form.
import type { WorkflowHandle } from 'reprise/client';
import { type Bench, type BenchPostgres, pause, withOwnPostgres } from '../bench.ts';
import type { BenchWorker } from '../bench-worker.ts';
import { newId } from '../load.ts';
import { activityCompleted, childInitiated, eventsOfType, timerStarted } from '../log-reader.ts';
import type { Question } from '../question.ts';
import { FailureLab } from './failure-lab.ts';
import { addedStage, childStages, journeyEnd, notesAwaited, stages, stagesAtOnce, stagesEach } from './journey-plan.ts';
import { type Loss, type Moment, moments, type Phase } from './moments.ts';
import { checkEffects, checkLog, demandEqual } from './run-checks.ts';
import { seeded } from './seeded.ts';

const workflows = new URL('./journey.ts', import.meta.url);
const nextWorkflows = new URL('./journey-next.ts', import.meta.url);

export const question: Question = {
  id: 'BM-10',
  title: `seeded kills at ${moments.length} kinds of moment`,
  size: { of: 'kills', usual: 47 },
  isLong: true,
  async run(_, { size }) {
    return withOwnPostgres((bench, postgres) =>
      FailureLab.open(
        bench,
        'many-kills',
        async (lab) => {
          const survived = new Map<string, number>();
          for (let seed = 0; seed < size; seed++) {
            const moment = moments[seed % moments.length]!;
            await survive(lab, postgres, moment, seed);
            survived.set(moment.name, (survived.get(moment.name) ?? 0) + 1);
          }
          const note = [...survived].map(([name, count]) => `${name} ${count}`).join(', ');
          return [{ name: 'runs with the right end', unit: `of ${size}`, values: [size], better: 'higher', note }];
        },
        { workflows },
      ),
    );
  },
};

async function survive(lab: FailureLab, postgres: BenchPostgres, moment: Moment, seed: number): Promise<void> {
  try {
    await new Trial(lab, postgres, seeded(seed), moment).run();
  } catch (error) {
    throw new Error(`Kill ${seed}, ${moment.name}: ${(error as Error).message}`, { cause: error });
  } finally {
    await lab.killAll();
  }
}

/** One journey, whose worker is lost once. */
class Trial {
  readonly #lab: FailureLab;
  readonly #bench: Bench;
  readonly #postgres: BenchPostgres;
  readonly #random: () => number;
  readonly #loss: Loss;

  constructor(lab: FailureLab, postgres: BenchPostgres, random: () => number, moment: Moment) {
    this.#lab = lab;
    this.#bench = lab.bench;
    this.#postgres = postgres;
    this.#random = random;
    this.#loss = moment.loss(random);
  }

  async run(): Promise<void> {
    const { taskQueue } = this.#lab;
    const { workflow } = this.#bench.client;
    const idle =
      this.#loss.isCrowded === true
        ? await workflow.start('idle', { workflowId: newId(), taskQueue, args: [] })
        : undefined;
    const handle = await workflow.start('journey', { workflowId: newId(), taskQueue });
    const victim = await this.#lab.worker(this.#loss.victim);
    const [replaced] = await Promise.all([this.#replace(victim), this.#lead(handle, victim)]);
    demandEqual('result', await handle.result(), journeyEnd());
    demandEqual('context', (await handle.stateAt()).state, journeyEnd());
    await this.#check(handle, replaced);
    await idle?.terminate('the other run has ended');
  }

  /** Starts the next worker when the one before it is dead. Resolves with the number of the dead. */
  async #replace(victim: BenchWorker): Promise<number> {
    const { heirs = [{}], isUpgrade } = this.#loss;
    let last = victim;
    for (const heir of heirs) {
      await last.ended();
      last = await this.#lab.worker(heir, isUpgrade === true ? nextWorkflows : workflows);
    }
    return heirs.length;
  }

  /** Leads the run through its phases, and strikes in one of them. */
  async #lead(handle: WorkflowHandle, victim: BenchWorker): Promise<void> {
    const runId = handle.runId!;
    const strikeAt = async (phase: Phase): Promise<void> => {
      if (this.#loss.at !== phase) return;
      if (this.#loss.strike === undefined) victim.signal('SIGKILL');
      else await this.#loss.strike({ victim, postgres: this.#postgres });
    };
    const atLeast = async (count: number, type: number): Promise<void> => {
      while ((await eventsOfType(this.#bench.pool, runId, type)).length < count) await pause(3);
    };
    if (this.#loss.at === 'saves') await this.#savesOrWaits(runId);
    await strikeAt('saves');
    await atLeast(1 + Math.floor(this.#random() * (stagesEach - 2)), activityCompleted);
    await strikeAt('works');
    await atLeast(stagesEach, activityCompleted);
    await strikeAt('waits');
    const fatalNote = Math.floor(this.#random() * notesAwaited);
    for (let note = 0; note < notesAwaited; note++) {
      await handle.signal('note', note);
      if (note === fatalNote) await strikeAt('gets a note');
    }
    await atLeast(1, timerStarted);
    await strikeAt('sleeps');
    await atLeast(1, childInitiated);
    await strikeAt('has children');
  }

  /** Checkpoints are written at the worker's leisure: a quick run may wait for signals before it has one. */
  async #savesOrWaits(runId: string): Promise<void> {
    const { pool } = this.#bench;
    for (;;) {
      const { rowCount } = await pool.query('select from reprise.checkpoints where run_id = $1 limit 1', [runId]);
      if (rowCount === 1) return;
      if ((await eventsOfType(pool, runId, activityCompleted)).length >= stagesEach) return;
      await pause(1);
    }
  }

  async #check(handle: WorkflowHandle, dead: number): Promise<void> {
    const { rows } = await this.#bench.pool.query<{ run_id: string }>(
      'select run_id from reprise.runs where run_id = $1 or parent_run_id = $1',
      [handle.runId],
    );
    demandEqual('number of children', rows.length - 1, childStages.length);
    for (const { run_id: runId } of rows) await checkLog(this.#bench.pool, runId);
    const added = this.#loss.isUpgrade === true ? [addedStage] : [];
    checkEffects(
      this.#lab.effects().filter(({ runId }) => rows.some((row) => row.run_id === runId)),
      [...stages, ...childStages, ...added].map((stage) => `stage ${stage}`),
      Math.max(1, dead) * stagesAtOnce,
    );
  }
}
