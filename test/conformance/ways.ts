// The three ways in which every behavior of docs/behaviors.md must hold: for runs in memory, for runs that are rebuilt
// from the log for every turn, and (`replays`) for recorded histories.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import type { WorkerOptions } from 'reprise/worker';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { Sandbox } from '../../runtime/sandbox/realm/sandbox.ts';
import { fixtureBundle } from '../support/bundles.ts';
import * as activities from '../support/fixtures/activities.ts';
import { fixtureWorker, type TestEngine, testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

type Event = Awaited<ReturnType<WorkflowHandle['history']>>[number];

export class Way {
  readonly name: string;
  readonly engine: TestEngine;
  readonly #options: Partial<WorkerOptions>;
  readonly #sandbox: Sandbox;
  #ids = 0;

  constructor(name: string, engine: TestEngine, options: Partial<WorkerOptions>, sandbox: Sandbox) {
    this.#sandbox = sandbox;
    this.name = name;
    this.engine = engine;
    this.#options = options;
  }

  start(type: string, args: readonly unknown[] = [], options: object = {}): Promise<WorkflowHandle> {
    const { client, taskQueue } = this.engine;
    return client.workflow.start(type, { workflowId: this.newId(type), taskQueue, args, ...options });
  }

  /** Starts a run. Returns its result after replaying its history. */
  async execute(type: string, args: readonly unknown[] = [], options: object = {}): Promise<unknown> {
    return this.result(await this.start(type, args, options));
  }

  /** Waits for the end of the run, then replays the history of every run of its workflow id. */
  async result(handle: WorkflowHandle): Promise<unknown> {
    try {
      return await handle.result();
    } finally {
      await this.replays(handle);
    }
  }

  /** Names and messages of the error that `result()` throws, of its cause, and so on. */
  async failure(handle: WorkflowHandle): Promise<string[]> {
    const error = await this.result(handle).then(
      (value) => assert.fail(`not failed: ${JSON.stringify(value)}`),
      (thrown: unknown) => thrown,
    );
    const texts: string[] = [];
    for (let at = error; at instanceof Error; at = at.cause) texts.push(`${at.name}: ${at.message}`);
    return texts;
  }

  /** Replays the logs of all runs of the workflow id. */
  async replays({ workflowId }: WorkflowHandle): Promise<void> {
    for (const { run_id: runId } of await this.runs(workflowId)) {
      await assertReplays(this.engine.connection.database, runId, this.#sandbox);
    }
  }

  async runs(workflowId: string): Promise<{ run_id: string; status: string }[]> {
    const { rows } = await this.engine.pool.query<{ run_id: string; status: string }>(
      'select run_id, status from reprise.runs where workflow_id = $1 order by run_id',
      [workflowId],
    );
    return rows;
  }

  /** A run that gets everything that `send` sends in its first activation. `messages`: how many messages that are. */
  async gathered<T>(
    [type, ...args]: readonly [string, ...unknown[]],
    messages: number,
    send: (handle: WorkflowHandle) => Promise<unknown>,
    work: (handle: WorkflowHandle) => Promise<T>,
  ): Promise<T> {
    const taskQueue = this.newId('held');
    const handle = await this.start(type, args, { taskQueue });
    await send(handle);
    await until(async () => (await this.#mail(handle)) >= messages);
    return this.serve(taskQueue, () => work(handle));
  }

  async #mail({ runId }: WorkflowHandle): Promise<number> {
    const { rowCount } = await this.engine.pool.query('select 1 from reprise.inbox where run_id = $1', [runId]);
    return rowCount ?? 0;
  }

  /** Runs another worker on a task queue for the duration of `work`, with the fixtures or with other options. */
  async serve<T>(taskQueue: string, work: () => Promise<T>, options: Partial<WorkerOptions> = {}): Promise<T> {
    const all = { deadlockTimeoutMs: 200, ...this.#options, ...options };
    return (await fixtureWorker(this.engine.connection, taskQueue, all)).runUntil(work);
  }

  /** Sends signals in one transaction. `meanwhile` runs before the transaction commits. */
  async together(
    { workflowId }: WorkflowHandle,
    signals: readonly (readonly [string, ...unknown[]])[],
    meanwhile: () => Promise<unknown> = async () => undefined,
  ): Promise<void> {
    const { client, pool, taskQueue } = this.engine;
    const session = await pool.connect();
    try {
      await session.query('begin');
      for (const [signal, ...signalArgs] of signals) {
        const message = { signal, signalArgs, workflowIdReusePolicy: 'REJECT_DUPLICATE' } as const;
        await client.workflow.signalWithStart('open already', {
          workflowId,
          taskQueue,
          transaction: session,
          ...message,
        });
      }
      await meanwhile();
      await session.query('commit');
    } finally {
      session.release(true);
    }
  }

  newId(prefix: string): string {
    return `${prefix}-${this.#ids++}`;
  }
}

/** Call at the top of a file. */
export async function ways(options: Partial<WorkerOptions> = {}): Promise<readonly Way[]> {
  const workflowBundle = loadBundle(await fixtureBundle('conformance.ts'));
  const all = { ...options, workflowBundle, activities: { ...activities, ...options.activities } };
  const sandbox = Sandbox.create(workflowBundle);
  const evicting = { ...all, maxCachedRuns: 0 };
  return [
    new Way('cached', await testEngine(all), all, sandbox),
    new Way('evicted after every turn', await testEngine(evicting), evicting, sandbox),
  ];
}

/** Defines one test for each way. */
export function behavior(among: readonly Way[], fact: string, test: (way: Way) => Promise<void>): void {
  describe(fact, () => {
    for (const way of among) it(`with runs ${way.name}, and replayed`, { timeout: 120_000 }, () => test(way));
  });
}

export const typesOf = async (handle: WorkflowHandle): Promise<string[]> =>
  (await handle.history()).map(({ type }) => type);

/** Event types, one list for each turn. */
export async function turnsOf(handle: WorkflowHandle): Promise<string[][]> {
  const turns: Event[][] = [];
  for (const event of await handle.history()) {
    const last = turns.at(-1);
    if (last?.[0] !== undefined && last.at(-1)!.hash === null) last.push(event);
    else turns.push([event]);
  }
  return turns.map((turn) => turn.map(({ type }) => type));
}

/** Waits until a run's workflow task has failed. Returns the failure. */
export function taskFailureOf(handle: WorkflowHandle): Promise<{ code: string; message: string }> {
  return until(async () => (await handle.describe()).taskFailure);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
