// Answers queries: about a run in memory when its last turn is durable, about any other run by replaying its log into a
// separate copy. A query sees every message that was sent before it.
import type { TaskFailure } from '../../core/log/activation.ts';
import { readStartMeta } from '../../core/run/start-meta.ts';
import { type DeploymentMeta, type RunVersioning, startedVersioning } from '../../core/run/deployment.ts';
import { engineFault } from '../../core/log/engine-number.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { encodePayload } from '../../core/payload/payload.ts';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import type { ActiveRun } from '../../sandbox/realm/active-run.ts';
import { readRunVersioning } from '../../store/deployments/deployments.ts';
import { readHistory } from '../../store/log/history.ts';
import { isFaultOfRun } from '../../store/ownership/quarantine.ts';
import {
  answer,
  type OpenRequest,
  openRequests,
  type QueryAnswer,
  type QueryRequest,
} from '../../store/messages/requests.ts';
import { RunReplay } from '../../replay/run-replay.ts';
import type { Claims } from '../claim/claims.ts';
import { explained, traceRun } from './run-tracer.ts';
import { isTraceQuery, traceAnswer } from './stack-trace.ts';
import { mayAnswer } from '../versions/worker-versions.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** How long a query waits until messages sent before it are in the log. A run whose code fails may never read them. */
const patienceMs = 1_000;
/** Interval of checks whether those messages are in the log. */
const soonMs = 5;

export class QueryAnswerer implements Looker {
  readonly #worker: RunWorker;
  readonly #claims: Claims;
  /** The queues where requests for this worker may wait. */
  readonly #queues: readonly string[];
  readonly #underWay = new Set<string>();
  /** Requests that wait for messages: the id of the last such message, and the time limit of the wait. */
  readonly #waiting = new Map<string, { readonly mail: number; readonly until: number }>();
  /** Requests answered during the present read, which may have read them as open. */
  readonly #answered = new Set<string>();
  readonly #poller = new Poller(this);

  constructor(worker: RunWorker, claims: Claims) {
    this.#worker = worker;
    this.#claims = claims;
    this.#queues = worker.takesRuns ? worker.sources.map(({ queue }) => queue) : [];
  }

  /** Whether requests on any of these queues may be for this worker. */
  isAsked(queues: readonly string[]): boolean {
    return queues.some((queue) => this.#queues.includes(queue));
  }

  /** Answers requests on this worker's queues that can be answered now or soon. */
  poke(): void {
    if (this.#queues.length > 0) this.#poller.nudge();
  }

  stop(): void {
    void this.#poller.stop();
  }

  get everyMs(): number | undefined {
    return this.#waiting.size > 0 ? soonMs : undefined;
  }

  async look(): Promise<void> {
    this.#answered.clear();
    const where = { queues: this.#queues, open: this.#claims.open };
    const requests = await openRequests(this.#worker.database, this.#worker.life.epoch, where);
    // Forget requests that are gone, because nobody waits for their answers.
    const ids = new Set(requests.map((request) => request.id));
    for (const id of this.#waiting.keys()) if (!ids.has(id)) this.#waiting.delete(id);
    for (const request of requests) {
      if (this.#waits(request) || this.#underWay.has(request.id) || this.#answered.has(request.id)) continue;
      // A request that takes long must not delay others.
      this.#underWay.add(request.id);
      void this.#settle(request).catch((error: unknown) => this.failed(error));
    }
  }

  failed(error: unknown): void {
    this.#worker.life.warn('queries could not be answered', error);
  }

  async #settle(request: OpenRequest): Promise<void> {
    try {
      const result = await this.#answer(request).catch((error: unknown) => unreadable(request, error));
      if (result === undefined) return;
      await answer(this.#worker.database, request.id, result);
      this.#answered.add(request.id);
    } finally {
      this.#underWay.delete(request.id);
    }
  }

  /** Whether messages that were sent before the request are not in the log yet. */
  #waits({ id, runId, mailSent, mailUnread }: OpenRequest): boolean {
    const known = this.#waiting.get(id);
    const { mail, until } = known ?? { mail: mailSent, until: performance.now() + patienceMs };
    const isTold = mailUnread === undefined || mailUnread > mail;
    if (isTold || performance.now() > until || (this.#worker.runs.get(runId)?.state.taskFailures ?? 0) > 0) {
      this.#waiting.delete(id);
      return false;
    }
    if (known === undefined) this.#waiting.set(id, { mail, until });
    return true;
  }

  async #answer(request: QueryRequest): Promise<QueryAnswer | undefined> {
    if (isTraceQuery(request.name)) return this.#answerByTrace(request);
    const run = this.#worker.runs.get(request.runId);
    if (run === undefined) return this.#answerByReplay(request);
    if (run.phase === 'idle' && run.sandbox === undefined) return this.#answerByReplay(request);
    // Before the first task is done, or while a turn is not durable, there is no state to show: the next poll tries
    // again.
    if (
      run.phase === 'loading' ||
      run.phase === 'reloading' ||
      run.phase === 'appending' ||
      run.inputsToReplay.length > 0 ||
      run.sandbox === undefined
    ) {
      const isStuck = run.state.taskFailures > 0 || run.state.paused !== undefined;
      return isStuck ? this.#answerByReplay(request) : undefined;
    }
    return this.#toAnswer(run.sandbox.query(request.name, request.args), request);
  }

  /** Answers from the log alone, even if the run is in memory. */
  async #answerByTrace({ runId, name }: QueryRequest): Promise<QueryAnswer | undefined> {
    try {
      // For a run that is not in memory here, the log says which version's code can follow it.
      if (this.#worker.runs.get(runId) === undefined) {
        const versioning = await readRunVersioning(this.#worker.database.pool, this.#worker.database.schema, runId);
        if (!mayAnswer(versioning, this.#worker.versions)) return undefined;
      }
      const trace = await traceRun(this.#worker.database, this.#worker.sandbox, runId);
      if (trace === undefined) return undefined; // the first turn is not in the log: see #answerByReplay
      if (trace.failure !== undefined) return taskFailed(trace.failure);
      return { payload: encodePayload(traceAnswer(name, trace.waits, this.#worker.sandbox)), problem: undefined };
    } catch (error) {
      const failure = ApplicationFailure.nonRetryable(`The run could not be traced: ${thrownMessage(error)}`);
      return { payload: encodeFailure(failure), problem: 'failed' };
    }
  }

  async #answerByReplay(request: QueryRequest): Promise<QueryAnswer | undefined> {
    let code: ActiveRun | undefined;
    try {
      let replay: RunReplay | undefined;
      let seen = false;
      let versioning: RunVersioning | undefined;
      for await (const page of readHistory(this.#worker.database, request.runId, { forReplay: true })) {
        const first = page[0]!;
        // A fork's history begins with a row of another run, whose identity the code has until the fork.
        code ??= this.#worker.sandbox.createRun(first.runId);
        replay ??= new RunReplay(code);
        if (first.seq === 1) {
          const started = readStartMeta(first);
          replay.failure = engineFault(started);
          versioning = startedVersioning(started);
        }
        for (const { type, meta } of page) {
          if (type !== 'WorkflowTaskCompleted' || meta === null) continue;
          versioning = { ...versioning, recorded: JSON.parse(meta) as DeploymentMeta };
        }
        replay.take(page);
        seen ||= page.some((event) => event.hash !== null);
      }
      if (!seen || code === undefined) return undefined; // the first turn is not in the log: a worker claims the run and then answers
      // The run has closed, or has begun meanwhile, on another version. Workers of that version find the request too.
      if (!mayAnswer(versioning, this.#worker.versions)) return undefined;
      const failure = await explained(this.#worker.database, this.#worker.sandbox, request.runId, replay?.failure);
      if (failure !== undefined) return taskFailed(failure);
      return this.#toAnswer(code.query(request.name, request.args), request);
    } finally {
      code?.dispose();
    }
  }

  #toAnswer(result: ReturnType<ActiveRun['query']>, request: QueryRequest): QueryAnswer {
    for (const line of result.logs)
      this.#worker.logger[line.level]({ runId: request.runId, ...line.attributes }, line.message);
    if (result.ok) return { payload: result.payload, problem: undefined };
    return { payload: result.failure, problem: result.registered ? 'failed' : 'not_registered' };
  }
}

/**
 * The answer when the run's log cannot be read or replayed. Rethrows other errors, so that the query is tried again.
 */
function unreadable({ runId }: QueryRequest, error: unknown): QueryAnswer {
  if (!isFaultOfRun(error)) throw error;
  const message = `Run ${runId} could not be replayed for the query: ${thrownMessage(error)}`;
  return taskFailed({ code: error instanceof RuntimeError ? error.code : 'RUN_QUARANTINED', message });
}

/** The answer when the code cannot follow the run's log. */
function taskFailed({ message, code }: TaskFailure): QueryAnswer {
  return { payload: encodeFailure(ApplicationFailure.nonRetryable(message, code)), problem: 'task_failed' };
}
